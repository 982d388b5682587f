import { useId } from 'preact/hooks';
import { useLive } from './live.ts';
import type { Choice } from './readings.ts';
import { type ApiDocument, fieldTitle, formsOf, resolved, type Schema } from './schema.ts';

export type Values = Record<string, unknown>;

interface FormProps {
  document: ApiDocument;
  schema: Schema;
  value: Values;
  onChange: (value: Values) => void;
  /** What the API rejected, by JSON pointer. */
  errors?: readonly { pointer: string; message: string }[];
  /** The position of the value in the request. */
  pointer?: string;
  /** Whose choices a field is picked from. */
  connection?: { vendor: string; name: string } | undefined;
  /** Fields that the surrounding form handles. */
  without?: readonly string[];
  /** Optional fields that are always shown, because most people fill them in. */
  usual?: readonly string[];
}

/** Fields for an object as the API's document describes it: the required ones first, the others collapsed. */
export function SchemaForm(props: FormProps) {
  const { document, schema, value, without = [], usual = [] } = props;
  const entries = Object.entries(schema.properties ?? {})
    .map(([name, each]) => [name, resolved(document, each)] as const)
    .filter(([name, each]) => !without.includes(name) && each.const === undefined);
  const isRequired = (name: string) => schema.required?.includes(name) ?? false;
  const isShown = (name: string) => isRequired(name) || usual.includes(name);
  const needed = entries.filter(([name]) => isShown(name));
  const others = entries.filter(([name]) => !isShown(name));
  const one = ([name, each]: readonly [string, Schema]) => (
    <Field key={name} {...props} name={name} schema={each} required={isRequired(name)} />
  );
  // A form without required or usual fields shows all of its fields.
  if (needed.length === 0) return <>{others.map(one)}</>;
  return (
    <>
      {needed.map(one)}
      {others.length > 0 && (
        <details class="further" open={others.some(([name]) => value[name] !== undefined)}>
          <summary>Further settings</summary>
          {others.map(one)}
        </details>
      )}
    </>
  );
}

interface FieldProps extends FormProps {
  name: string;
  required: boolean;
}

function Field({
  name,
  schema,
  required,
  value,
  onChange,
  errors = [],
  pointer = '',
  connection,
  document,
}: FieldProps) {
  const id = useId();
  const at = `${pointer}/${name}`;
  const wrong = errors.filter((error) => error.pointer === at || error.pointer.startsWith(`${at}/`));
  const set = (next: unknown) => {
    const { [name]: _, ...rest } = value;
    onChange(next === undefined || next === '' ? rest : { ...rest, [name]: next });
  };
  const current = value[name];
  const shared = {
    id,
    required,
    'aria-invalid': wrong.length > 0,
    'aria-describedby': `${id}-hint`,
  };
  const about = (
    <div id={`${id}-hint`}>
      {wrong.map(({ message }) => (
        <p key={message} class="wrong">
          {fieldTitle(name)} {message}
        </p>
      ))}
      {schema.description && <p class="hint">{schema.description}</p>}
    </div>
  );
  if (schema.type === 'boolean') {
    return (
      <div class="field">
        <label class="check">
          <input
            type="checkbox"
            checked={(current ?? schema.default ?? false) === true}
            onChange={(event) => set(event.currentTarget.checked)}
          />
          <span>
            {fieldTitle(name)}
            {schema.description && <span class="muted"> {schema.description}</span>}
          </span>
        </label>
      </div>
    );
  }
  if (schema.type === 'object' && schema.properties) {
    return (
      <fieldset class="field inner">
        <legend>{fieldTitle(name)}</legend>
        <SchemaForm
          document={document}
          schema={schema}
          value={(current ?? {}) as Values}
          onChange={set}
          errors={errors}
          pointer={at}
          connection={connection}
        />
      </fieldset>
    );
  }
  return (
    <div class="field">
      <label for={id}>
        {fieldTitle(name)}
        {!required && <span class="muted"> optional</span>}
      </label>
      <Input
        schema={schema}
        current={current}
        set={set}
        shared={shared}
        connection={connection}
        value={value}
        document={document}
      />
      {about}
    </div>
  );
}

interface InputProps {
  schema: Schema;
  current: unknown;
  set: (value: unknown) => void;
  shared: { id: string; required: boolean; 'aria-invalid': boolean; 'aria-describedby': string };
  connection: FormProps['connection'];
  /** The sibling fields that its choices may depend on. */
  value: Values;
  document: ApiDocument;
}

function Input({ schema, current, set, shared, connection, value, document }: InputProps) {
  const choices = schema['x-choices'];
  if (choices && connection) {
    return <Pick source={choices} current={current} set={set} shared={shared} connection={connection} value={value} />;
  }
  const options =
    schema.enum ?? formsOf(document, schema).flatMap((form) => (form.const === undefined ? [] : [form.const]));
  if (options.length > 0) {
    return (
      <select
        {...shared}
        value={String(current ?? schema.default ?? '')}
        onChange={(event) => set(options.find((each) => String(each) === event.currentTarget.value))}
      >
        {(schema.default === undefined || !shared.required) && <option value="">–</option>}
        {options.map((option) => (
          <option key={String(option)} value={String(option)}>
            {String(option)}
          </option>
        ))}
      </select>
    );
  }
  if (schema.type === 'integer' || schema.type === 'number') {
    return (
      <input
        {...shared}
        type="number"
        min={schema.minimum}
        max={schema.maximum}
        step={schema.type === 'integer' ? 1 : 'any'}
        value={current === undefined ? '' : String(current)}
        placeholder={exampleOf(schema)}
        onInput={(event) => set(event.currentTarget.value === '' ? undefined : Number(event.currentTarget.value))}
      />
    );
  }
  if (schema.type === 'array') {
    const list = Array.isArray(current) ? current : [];
    return (
      <input
        {...shared}
        value={list.join(', ')}
        placeholder={exampleOf(schema)}
        onChange={(event) => {
          const items = event.currentTarget.value.split(/\s*,\s*/).filter(Boolean);
          set(items.length === 0 ? undefined : items);
        }}
      />
    );
  }
  if (schema.type === 'object') {
    return (
      <textarea
        {...shared}
        rows={4}
        value={current === undefined ? '' : typeof current === 'string' ? current : JSON.stringify(current, null, 2)}
        onChange={(event) => set(fromJson(event.currentTarget.value))}
      />
    );
  }
  const plain = {
    ...shared,
    spellcheck: false,
    value: current === undefined ? '' : String(current),
    placeholder: exampleOf(schema),
    onInput: (event: { currentTarget: HTMLInputElement }) => set(event.currentTarget.value),
  };
  return schema.writeOnly ? (
    <input {...plain} type="password" autocomplete="new-password" />
  ) : (
    <input {...plain} type="text" autocomplete="off" />
  );
}

interface PickProps extends Omit<InputProps, 'schema' | 'document'> {
  source: { kind: string; of?: string[] };
}

/** A list of the vendor's current values. If it cannot be read, the id is typed. */
function Pick({ source, current, set, shared, connection, value }: PickProps) {
  const of = (source.of ?? []).map((name) => [name, value[name]] as const);
  const ready = connection && of.every(([, given]) => given !== undefined && given !== '');
  const search = new URLSearchParams(of.map(([name, given]) => [name, String(given)]));
  const { data, problem } = useLive<Choice[]>(
    ready ? `/v1/choices/${connection.vendor}/${connection.name}/${source.kind}?${search}` : undefined,
    0,
  );
  if (!ready || problem) {
    return (
      <input
        {...shared}
        value={current === undefined ? '' : String(current)}
        placeholder={ready ? 'Type the id' : `Choose ${(source.of ?? []).join(' and ')} first, or type the id`}
        onInput={(event) => set(event.currentTarget.value)}
      />
    );
  }
  return (
    <select
      {...shared}
      value={current === undefined ? '' : String(current)}
      onChange={(event) => set(data?.find(({ id }) => String(id) === event.currentTarget.value)?.id)}
    >
      <option value="">{data ? (data.length === 0 ? 'There is nothing to choose' : '–') : 'Loading…'}</option>
      {data?.map(({ id, name, detail }) => (
        <option key={id} value={String(id)}>
          {name}
          {detail !== undefined && detail !== name ? ` (${detail})` : ''}
        </option>
      ))}
    </select>
  );
}

function exampleOf({ examples, default: preset }: Schema): string {
  const example = preset ?? examples?.[0];
  return example === undefined || typeof example === 'object' ? '' : String(example);
}

/** The input stays text until it is valid JSON. */
function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
