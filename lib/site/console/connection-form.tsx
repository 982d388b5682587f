import { useState } from 'preact/hooks';
import type { Problem } from './api.ts';
import { SelectField } from './fields.tsx';
import { useLive } from './live.ts';
import type { Connection } from './readings.ts';
import { type ApiDocument, bodyOf, exampleOf, formsOf, formWith, resolved } from './schema.ts';
import { SchemaForm, type Values } from './schema-form.tsx';

/** One way to give a vendor access: in the browser, or with some of its credential fields. */
export interface AccessWay {
  id: string;
  name: string;
  /** The fields to fill in; a login in the browser needs none. */
  fields: readonly string[];
  browser?: true;
}

/** The ways of vendors that have several, the recommended one first. */
const accessWays: Readonly<Record<string, readonly AccessWay[]>> = {
  talk: [
    { id: 'browser', name: 'Log in with the browser (recommended)', fields: [], browser: true },
    { id: 'password', name: 'App password', fields: ['appPassword'] },
  ],
  timetonic: [
    { id: 'login', name: 'Login and password, exchanged for a key (recommended)', fields: ['login', 'password'] },
    { id: 'oauthkey', name: 'An oauthkey that you have', fields: ['oauthkey'] },
    { id: 'sesskey', name: 'A session key from the profile page', fields: ['sesskey'] },
  ],
};
export const waysOf = (vendor: string): readonly AccessWay[] => accessWays[vendor] ?? [];

interface PartProps {
  document: ApiDocument;
  vendor: string;
  value: Values;
  onChange: (value: Values) => void;
  problem: Problem | undefined;
}

function partSchema(document: ApiDocument, vendor: string, part: 'settings' | 'credentials') {
  const form = formWith(formsOf(document, bodyOf(document, 'post', '/v1/connections')), 'vendor', vendor);
  return {
    schema: resolved(document, form?.properties?.[part]),
    usual: Object.keys(exampleOf(document, 'post', '/v1/connections', vendor)[part] ?? {}),
  };
}

/** The settings of a connection. The host id is picked from those that are free. */
export function SettingsFields({ document, vendor, value, onChange, problem, own }: PartProps & { own?: string }) {
  const { schema, usual } = partSchema(document, vendor, 'settings');
  const hasHostId = schema.properties?.hid !== undefined;
  return (
    <>
      <SchemaForm
        document={document}
        schema={schema}
        value={value}
        onChange={onChange}
        errors={problem?.errors ?? []}
        pointer="/settings"
        usual={usual}
        without={hasHostId ? ['hid'] : []}
      />
      {hasHostId && <HostId value={value} own={own} onChange={onChange} problem={problem} />}
    </>
  );
}

const hostIds = Array.from({ length: 10 }, (_, at) => at + 1);

/** Every system that connects to a ProPTT2 account needs a host id of its own; those of other connections are marked. */
function HostId({
  value,
  own,
  onChange,
  problem,
}: Pick<PartProps, 'value' | 'onChange' | 'problem'> & { own: string | undefined }) {
  const { data = [] } = useLive<Connection[]>('/v1/connections', 0);
  const users = new Map(
    data
      .filter(
        ({ id, settings }) =>
          id !== own && settings.cloudUrl === value.cloudUrl && settings.ownerId === value.ownerId && settings.hid,
      )
      .map(({ name, settings }) => [Number(settings.hid), name]),
  );
  const free = hostIds.find((id) => !users.has(id)) ?? 1;
  const chosen = typeof value.hid === 'number' ? value.hid : undefined;
  const taken = chosen === undefined ? undefined : users.get(chosen);
  return (
    <SelectField
      label="Host ID"
      hint="Each system that connects to this account needs a host ID of its own; two with the same one end each other's sessions."
      wrong={
        taken === undefined
          ? problem?.errors.find(({ pointer }) => pointer === '/settings/hid')?.message
          : `The connection ${taken} uses it for the same account.`
      }
      required
      value={chosen ?? ''}
      options={[
        ['', `Choose one; ${free} is free here`],
        ...hostIds.map((id) => [id, users.has(id) ? `${id} (used by ${users.get(id)})` : String(id)] as const),
      ]}
      onChange={(hid) => onChange({ ...value, hid: hid === '' ? undefined : hid })}
    />
  );
}

interface CredentialProps extends PartProps {
  way: AccessWay | undefined;
  onWay: (way: AccessWay) => void;
}

/** How access is given, and the fields for it. */
export function CredentialFields({ document, vendor, value, onChange, problem, way, onWay }: CredentialProps) {
  const { schema, usual } = partSchema(document, vendor, 'credentials');
  const ways = waysOf(vendor);
  const others = ways.flatMap(({ fields }) => fields).filter((name) => !way?.fields.includes(name));
  return (
    <>
      {ways.length > 0 && (
        <SelectField
          label="How to give access"
          value={way?.id ?? ''}
          options={ways.map(({ id, name }) => [id, name])}
          onChange={(id) => {
            const next = ways.find((each) => each.id === id);
            if (!next) return;
            onChange({});
            onWay(next);
          }}
        />
      )}
      <SchemaForm
        document={document}
        schema={schema}
        value={value}
        onChange={onChange}
        errors={problem?.errors ?? []}
        pointer="/credentials"
        usual={way ? way.fields : usual}
        without={others}
      />
    </>
  );
}

/** The way that is chosen for a vendor, the recommended one at first. */
export function useAccessWay(vendor: string | undefined): [AccessWay | undefined, (way: AccessWay) => void] {
  const [chosen, setChosen] = useState<{ vendor: string; way: AccessWay }>();
  const way = chosen && chosen.vendor === vendor ? chosen.way : waysOf(vendor ?? '')[0];
  return [way, (next) => vendor !== undefined && setChosen({ vendor, way: next })];
}
