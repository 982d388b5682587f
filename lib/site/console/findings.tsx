import type { Tone } from './parts.tsx';
import type { Finding } from './readings.ts';
import { Row } from './rows.tsx';
import { fieldTitle } from './schema.ts';

const tones: Readonly<Record<Finding['state'], Tone>> = { good: 'good', warning: 'warn', bad: 'bad' };

/** The findings of a check, worst first. */
export function Findings({ ok, findings }: { ok: boolean; findings: readonly Finding[] }) {
  const order: readonly Finding['state'][] = ['bad', 'warning', 'good'];
  const sorted = [...findings].sort((one, other) => order.indexOf(one.state) - order.indexOf(other.state));
  return (
    <div role="status">
      <p class="findings-word">{ok ? 'The connection works.' : 'The connection does not work.'}</p>
      <ul class="rows">
        {sorted.map(({ subject, state, message }) => (
          <Row key={`${subject} ${message}`} tone={tones[state]} title={fieldTitle(subject)} text={message} />
        ))}
      </ul>
    </div>
  );
}
