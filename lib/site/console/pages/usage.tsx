import { useState } from 'preact/hooks';
import { call, may } from '../api.ts';
import { Button } from '../button.tsx';
import { useLive } from '../live.ts';
import { Empty, Notice, Page, Section, useAction } from '../parts.tsx';
import type { Usage } from '../readings.ts';
import { Link } from '../router.tsx';
import { Fact, LiveList, Row } from '../rows.tsx';
import { connectionTitle, count, quotaState, vendorTitle } from '../words.ts';

const number = new Intl.NumberFormat();
const calls = (amount: number) => `${number.format(amount)}\u00A0${amount === 1 ? 'call' : 'calls'}`;
const dayName = (month: string, day: number) =>
  new Date(Number(month.slice(0, 4)), Number(month.slice(5)) - 1, day).toLocaleDateString(undefined, {
    day: 'numeric',
    month: 'short',
  });
const monthName = (month: string) =>
  new Date(`${month}-15`).toLocaleDateString(undefined, { month: 'long', year: 'numeric' });
/** How many entries one read gives at most. */
const pageSize = 1000;

/** The calls to vendors by month, vendor and connection, and how far the quotas are used. */
export function UsagePage() {
  const usage = useLive<Usage[]>(`/v1/usage?limit=${pageSize}`, 30_000);
  const rows = usage.data?.toSorted(
    (one, other) => (other.quota?.percent ?? -1) - (one.quota?.percent ?? -1) || other.calls - one.calls,
  );
  return (
    <Page
      title="Calls and quotas"
      lead="The requests to each vendor, refused and repeated ones included. Vendors and their plans count them; months are those of UTC."
    >
      {rows && rows.length > 0 && (
        <dl class="facts panel">
          {byVendor(rows).map(([vendor, total]) => (
            <Fact key={vendor} name={`${vendorTitle(vendor)}, this month`}>
              {calls(total)}
            </Fact>
          ))}
        </dl>
      )}
      <Section title="This month" count={rows?.length}>
        <LiveList
          live={{ ...usage, data: rows }}
          empty={
            <Empty title="No vendor was called in this month." icon="usage">
              <p>Each call over a connection is counted, by whomever it was made.</p>
              {may('connections', 'write') && (
                <Link to="/connections?new=1" class="button">
                  Connect a vendor
                </Link>
              )}
            </Empty>
          }
        >
          {(each) => <UsageRow key={each.id} usage={each} />}
        </LiveList>
        {rows?.length === pageSize && <p class="muted">These are the first {pageSize} connections.</p>}
        {rows?.some(({ quota }) => quota === undefined) && (
          <p class="muted">
            If your plan limits the calls of a month, set <code>monthlyCalls</code> in the settings of the connection.
            The last 5 % are then kept for alarms.
          </p>
        )}
      </Section>
      <Earlier />
    </Page>
  );
}

function byVendor(rows: readonly Usage[]): [vendor: string, total: number][] {
  return [...Map.groupBy(rows, ({ vendor }) => vendor)]
    .map(([vendor, all]): [string, number] => [vendor, all.reduce((sum, each) => sum + each.calls, 0)])
    .toSorted(([, one], [, other]) => other - one);
}

function UsageRow({ usage }: { usage: Usage }) {
  const { vendor, connection, quota } = usage;
  const { tone, sentence } = quotaState(usage);
  const [open, setOpen] = useState(false);
  return (
    <Row
      tone={quota && tone}
      to={`/connections/${vendor}/${connection}`}
      title={connectionTitle({ vendor, name: connection })}
      text={sentence}
      side={[calls(usage.calls)]}
    >
      {quota ? (
        <Graph usage={usage} />
      ) : (
        <details class="json" onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>By day</summary>
          {open && <Graph usage={usage} />}
        </details>
      )}
    </Row>
  );
}

/** The calls of a month as they add up, the quota, and where they lead at the rate so far. */
function Graph({ usage: { month, days, quota, connection, vendor } }: { usage: Usage }) {
  const lastDay = new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 0)).getUTCDate();
  const today = new Date().toISOString();
  const now = today.startsWith(month) ? Number(today.slice(8, 10)) : lastDay;
  const byDay = new Map(days.map(({ date, calls: made }) => [Number(date.slice(8)), made]));
  let total = 0;
  const sums = Array.from({ length: now }, (_, at) => {
    total += byDay.get(at + 1) ?? 0;
    return total;
  });
  const expected = Math.round((total / now) * lastDay);
  const top = Math.max(quota?.limit ?? 0, expected, 1) * 1.08;
  const x = (day: number) => (day / lastDay) * 100;
  const y = (amount: number) => 100 - (amount / top) * 100;
  const line = sums.map((sum, at) => `L${x(at + 1)} ${y(sum)}`).join('');
  const words = `${calls(total)} until now; ${calls(expected)} at the end of the month at this rate${
    quota ? `, of ${number.format(quota.limit)}` : ''
  }`;
  return (
    <figure class="graph">
      <div class="plot">
        <svg
          viewBox="0 0 100 100"
          preserveAspectRatio="none"
          role="img"
          aria-label={`${connectionTitle({ vendor, name: connection })}: ${words}`}
        >
          <path class="area" d={`M0 100${line}V100Z`} />
          <path class="line" d={`M0 100${line}`} />
          <path class="expected" d={`M${x(now)} ${y(total)}L100 ${y(expected)}`} />
          {quota && <path class="limit" d={`M0 ${y(quota.limit)}H100`} />}
        </svg>
        {quota && (
          <span class="limit-word" style={{ top: `${y(quota.limit)}%` }} aria-hidden="true">
            Quota: {calls(quota.limit)}
          </span>
        )}
      </div>
      <figcaption>
        <span>{dayName(month, 1)}</span>
        <span class="graph-words">{words}</span>
        <span>{dayName(month, lastDay)}</span>
      </figcaption>
    </figure>
  );
}

/** The months before, read when they are asked for. */
function Earlier() {
  const [rows, setRows] = useState<Usage[]>();
  const action = useAction();
  const load = () =>
    action.run(async () => {
      const [year = 0, month = 0] = new Date().toISOString().split('-').map(Number);
      const since = `${year - 1}-${String(month).padStart(2, '0')}`;
      const all: Usage[] = [];
      for (let page: Usage[] = []; all.length === 0 || page.length === pageSize; ) {
        const after = page.at(-1);
        page = await call<Usage[]>(
          'GET',
          `/v1/usage?since=${since}&limit=${pageSize}${after ? `&after=${after.id}` : ''}`,
        );
        all.push(...page);
        if (page.length === 0) break;
      }
      const thisMonth = new Date().toISOString().slice(0, 7);
      setRows(all.filter(({ month: each }) => each !== thisMonth));
    });
  const months = [...Map.groupBy(rows ?? [], ({ month }) => month)];
  return (
    <Section title="Earlier months">
      <Notice problem={action.problem} />
      {!rows && (
        <Button disabled={action.busy} onClick={() => void load()}>
          {action.busy ? 'Loading…' : 'Show the last twelve months'}
        </Button>
      )}
      {rows?.length === 0 && <Empty title="No vendor was called in the twelve months before." />}
      {months.length > 0 && (
        <ul class="rows">
          {months.map(([month, all]) => (
            <Row
              key={month}
              title={monthName(month)}
              text={byVendor(all)
                .map(([vendor, total]) => `${vendorTitle(vendor)} ${number.format(total)}`)
                .join(' · ')}
              side={[calls(all.reduce((sum, each) => sum + each.calls, 0))]}
            >
              <details class="json">
                <summary>By connection</summary>
                <ul>
                  {all
                    .toSorted((one, other) => other.calls - one.calls)
                    .map(({ id, vendor, connection, calls: made }) => (
                      <li key={id}>
                        {connectionTitle({ vendor, name: connection })}: {count(made, 'call')}
                      </li>
                    ))}
                </ul>
              </details>
            </Row>
          ))}
        </ul>
      )}
    </Section>
  );
}
