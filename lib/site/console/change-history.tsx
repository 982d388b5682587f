import { useEffect, useState } from 'preact/hooks';
import { Button } from './button.tsx';
import { Dialog } from './dialog.tsx';
import { useLive } from './live.ts';
import { Empty, Notice, Section, Time, useAction } from './parts.tsx';
import type { Automation } from './readings.ts';
import { LiveList, Row } from './rows.tsx';

interface Version {
  version: number;
  at: string;
  keyName?: string;
  keyId: string;
  definition: Record<string, unknown>;
}

/** Fields that the API adds to a definition. */
const readOnly = ['id', 'scopes', 'creator', 'alarm', 'nextRunAt', 'lastFired', 'lastRun', 'createdAt', 'updatedAt'];

/** An automation without what the API adds: what an operator edits. */
export function definitionOf(automation: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(automation).filter(([name]) => !readOnly.includes(name)));
}

interface HistoryProps {
  automation: Automation;
  /** Stores a definition; absent where the key may not change it. */
  restore: ((definition: unknown) => Promise<void>) | undefined;
}

/** Who changed an automation and when; each change as a diff, and a way back. */
export function ChangeHistory({ automation, restore }: HistoryProps) {
  const versions = useLive<Version[]>(`/v1/automations/${automation.id}/versions`, 10_000);
  const [shown, setShown] = useState<Version>();
  const all = versions.data ?? [];
  const before = (version: Version) => all.find((other) => other.version < version.version);
  return (
    <Section title="Changes" count={versions.data?.length}>
      <LiveList live={versions} loading={1} empty={<Empty title="No change was recorded yet." />}>
        {(version) => (
          <Row
            key={version.version}
            title={changeWords(version, before(version))}
            text={`by ${version.keyName ?? version.keyId}`}
            side={[<Time key="at" iso={version.at} exact />, <Time key="ago" iso={version.at} />]}
            actions={
              <Button small onClick={() => setShown(version)}>
                Show
              </Button>
            }
          />
        )}
      </LiveList>
      {shown && (
        <VersionDialog
          version={shown}
          before={before(shown)}
          isCurrent={shown.version === all[0]?.version}
          restore={restore}
          onClose={() => setShown(undefined)}
        />
      )}
    </Section>
  );
}

function changeWords({ version, definition }: Version, before: Version | undefined): string {
  if (!before) return version === 1 ? 'Created' : `Version ${version}`;
  const names = [...new Set([...Object.keys(definition), ...Object.keys(before.definition)])];
  const changed = names.filter((name) => JSON.stringify(definition[name]) !== JSON.stringify(before.definition[name]));
  if (changed.length === 1 && changed[0] === 'enabled') return definition.enabled ? 'Switched on' : 'Switched off';
  return changed.length === 0 ? 'Saved without a change' : `Changed ${changed.join(', ')}`;
}

interface VersionProps {
  version: Version;
  before: Version | undefined;
  isCurrent: boolean;
  restore: HistoryProps['restore'];
  onClose: () => void;
}

interface Line {
  text: string;
  kind: 'added' | 'removed' | 'same';
}

function VersionDialog({ version, before, isCurrent, restore, onClose }: VersionProps) {
  const [lines, setLines] = useState<Line[]>([]);
  const action = useAction();
  useEffect(() => {
    let wanted = true;
    const text = (each: Version | undefined) => (each ? JSON.stringify(each.definition, null, 2) : '');
    void import('diff').then(({ diffLines }) => {
      if (!wanted) return;
      setLines(
        diffLines(`${text(before)}\n`, `${text(version)}\n`).flatMap(({ value, added, removed }) =>
          value
            .replace(/\n$/, '')
            .split('\n')
            .map((line): Line => ({ text: line, kind: added ? 'added' : removed ? 'removed' : 'same' })),
        ),
      );
    });
    return () => {
      wanted = false;
    };
  }, [version, before]);
  const signs = { added: '+', removed: '−', same: ' ' } as const;
  return (
    <Dialog title={`Version ${version.version}`} onClose={onClose} wide>
      <div>
        <p class="muted">
          <Time iso={version.at} exact />, by {version.keyName ?? version.keyId}
          {before ? `, compared with version ${before.version}` : ''}
        </p>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region takes the focus */}
        <pre class="diff" tabIndex={0}>
          {lines.map(({ text, kind }, at) => (
            <span key={at} class={kind}>
              {`${signs[kind]} ${text}\n`}
            </span>
          ))}
        </pre>
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <Button onClick={onClose}>Close</Button>
          {restore && !isCurrent && (
            <Button
              primary
              disabled={action.busy}
              onClick={() =>
                void action.run(async () => {
                  await restore(version.definition);
                  onClose();
                })
              }
            >
              Restore this version
            </Button>
          )}
        </div>
      </div>
    </Dialog>
  );
}
