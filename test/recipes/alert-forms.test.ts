import { describe, expect, test } from 'vitest';
import { evaluate } from '../../lib/expressions/expression.ts';
import { alertsIn } from '../../recipes/alerts.ts';
import { isBetween, timeOfDay } from '../../recipes/clock.ts';

const alerts = (body: unknown) => evaluate(`{% ${alertsIn('event.data.body')}[] %}`, { event: { data: { body } } });

describe('what monitoring tools post becomes alerts of one form', () => {
  test('Alertmanager: each alert of a group is one', async () => {
    const alert = (instance: string, more: object = {}) => ({
      status: 'firing',
      labels: { alertname: 'InstanceDown', instance, job: 'node', severity: 'page' },
      annotations: {
        description: `${instance} of job node has been down for 5 minutes.`,
        summary: `${instance} is down`,
      },
      startsAt: '2026-01-05T02:11:09.312Z',
      endsAt: '0001-01-01T00:00:00Z',
      generatorURL: 'http://prometheus.example:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1',
      fingerprint: `print of ${instance}`,
      ...more,
    });
    const body = {
      version: '4',
      groupKey: '{}:{alertname="InstanceDown"}',
      truncatedAlerts: 0,
      status: 'firing',
      receiver: 'trunkline',
      groupLabels: { alertname: 'InstanceDown' },
      commonLabels: { alertname: 'InstanceDown', job: 'node', severity: 'page' },
      commonAnnotations: {},
      externalURL: 'http://alertmanager.example:9093',
      alerts: [
        alert('db-1:9100'),
        alert('db-2:9100', {
          status: 'resolved',
          labels: { alertname: 'InstanceDown', severity: 'warning' },
          annotations: {},
        }),
      ],
    };
    expect(await alerts(body)).toEqual([
      {
        dedup_key: 'print of db-1:9100',
        action: 'trigger',
        severity: 'critical',
        summary: 'db-1:9100 is down',
        source: 'db-1:9100',
        link: 'http://prometheus.example:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1',
      },
      {
        dedup_key: 'print of db-2:9100',
        action: 'resolve',
        severity: 'warning',
        summary: 'InstanceDown',
        source: 'trunkline',
        link: 'http://prometheus.example:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1',
      },
    ]);
  });

  test('Grafana: the dashboard is the link', async () => {
    const body = {
      receiver: 'On call',
      status: 'firing',
      orgId: 1,
      alerts: [
        {
          status: 'firing',
          labels: { alertname: 'Memory', zone: 'eu-1', severity: 'info' },
          annotations: { summary: 'Memory of eu-1 is above 90 %' },
          startsAt: '2026-01-05T02:11:09.157+01:00',
          endsAt: '0001-01-01T00:00:00Z',
          generatorURL: 'https://grafana.example/alerting/grafana/1afz29v7z/view',
          fingerprint: '57c6d9296de2ad39',
          silenceURL: 'https://grafana.example/alerting/silence/new?alertmanager=grafana',
          dashboardURL: 'https://grafana.example/d/memory',
          panelURL: '',
          values: { B: 91.2, C: 1 },
        },
      ],
      groupLabels: { alertname: 'Memory' },
      commonLabels: { alertname: 'Memory' },
      commonAnnotations: {},
      externalURL: 'https://grafana.example/',
      version: '1',
      groupKey: '{}:{alertname="Memory"}',
      truncatedAlerts: 0,
      title: '[FIRING:1] Memory',
      state: 'alerting',
      message: '**Firing**',
    };
    expect(await alerts(body)).toEqual([
      {
        dedup_key: '57c6d9296de2ad39',
        action: 'trigger',
        severity: 'info',
        summary: 'Memory of eu-1 is above 90 %',
        source: 'On call',
        link: 'https://grafana.example/d/memory',
      },
    ]);
  });

  test('PagerDuty: webhooks about an incident, and nothing for others', async () => {
    const body = (event_type: string, data: object = {}) => ({
      event: {
        id: '01BWE0ZW1LJ1Z6VXA3GM1S3G0V',
        event_type,
        resource_type: 'incident',
        occurred_at: '2026-01-05T02:11:09.312Z',
        agent: { html_url: 'https://acme.pagerduty.com/users/PLH1HKV', id: 'PLH1HKV', type: 'user_reference' },
        client: null,
        data: {
          id: 'PGR0VU2',
          type: 'incident',
          self: 'https://api.pagerduty.com/incidents/PGR0VU2',
          html_url: 'https://acme.pagerduty.com/incidents/PGR0VU2',
          number: 2,
          status: 'triggered',
          incident_key: 'd3640fbd41094207a1c11e58e46b1662',
          created_at: '2026-01-05T02:11:09Z',
          title: 'The pump does not answer',
          service: { id: 'PF9KMXH', summary: 'Pumps', type: 'service_reference' },
          assignees: [],
          priority: null,
          urgency: 'high',
          ...data,
        },
      },
    });
    const alert = {
      dedup_key: 'PGR0VU2',
      severity: 'critical',
      summary: 'The pump does not answer',
      source: 'Pumps',
      link: 'https://acme.pagerduty.com/incidents/PGR0VU2',
    };
    expect(await alerts(body('incident.triggered'))).toEqual([{ ...alert, action: 'trigger' }]);
    expect(await alerts(body('incident.acknowledged'))).toEqual([{ ...alert, action: 'acknowledge' }]);
    expect(await alerts(body('incident.resolved', { urgency: 'low' }))).toEqual([
      { ...alert, action: 'resolve', severity: 'warning' },
    ]);
    expect(await alerts(body('incident.annotated'))).toEqual([]);
  });

  test('PagerDuty: what a tool would send to its Events API', async () => {
    const body = {
      routing_key: 'samplekey',
      event_action: 'trigger',
      dedup_key: 'disk/db-1',
      client_url: 'https://monitoring.example/disk',
      payload: { summary: 'Disk of db-1 is full', source: 'db-1', severity: 'error' },
    };
    expect(await alerts(body)).toEqual([
      {
        dedup_key: 'disk/db-1',
        action: 'trigger',
        severity: 'critical',
        summary: 'Disk of db-1 is full',
        source: 'db-1',
        link: 'https://monitoring.example/disk',
      },
    ]);
  });

  test('Uptime Kuma: down and up; nothing for its test message and for maintenance', async () => {
    const body = (status: number) => ({
      heartbeat: {
        monitorID: 7,
        status,
        time: '2026-01-05 02:11:09.312',
        msg: 'connect ECONNREFUSED 10.0.0.7:443',
        important: true,
        duration: 60,
        timezone: 'UTC',
        timezoneOffset: '+00:00',
        localDateTime: '2026-01-05 02:11:09',
      },
      monitor: { id: 7, name: 'Gate', url: 'https://gate.example', hostname: null, port: null, type: 'http', tags: [] },
      msg: `[Gate] [${status === 1 ? '✅ Up' : '🔴 Down'}] connect ECONNREFUSED 10.0.0.7:443`,
    });
    const alert = { dedup_key: 'kuma 7', severity: 'critical', source: 'Gate', link: 'https://gate.example' };
    expect(await alerts(body(0))).toEqual([{ ...alert, action: 'trigger', summary: body(0).msg }]);
    expect(await alerts(body(1))).toEqual([{ ...alert, action: 'resolve', summary: body(1).msg }]);
    expect(await alerts(body(3))).toEqual([]);
    expect(await alerts({ heartbeat: null, monitor: null, msg: 'Webhook Testing' })).toEqual([]);
  });

  test('their common form, and an error for any other body', async () => {
    const alert = {
      dedup_key: 'K',
      action: 'trigger',
      severity: 'critical',
      summary: 'db-1 is down',
      source: 'db-1',
      link: 'https://monitoring.example/K',
    };
    expect(await alerts(alert)).toEqual([alert]);
    await expect(alerts({ zone: 'Z3' })).rejects.toThrow('This is not an alert in a known form: {"zone":"Z3"}');
  });
});

describe('times of day in a zone', () => {
  const at = (time: string, expression: string) =>
    evaluate(`{% ${expression} %}`, {}, { now: Date.parse(time) }) as Promise<unknown>;

  test.each([
    ['2026-01-05T02:11:09Z', 'Asia/Seoul', '11:11'],
    ['2026-01-05T02:11:09.900Z', 'America/New_York', '21:11'],
    // The night on which the clocks of Berlin go forward, before and after; and back.
    ['2026-03-29T00:59:00Z', 'Europe/Berlin', '01:59'],
    ['2026-03-29T01:00:00Z', 'Europe/Berlin', '03:00'],
    ['2026-10-24T23:30:00Z', 'Europe/Berlin', '01:30'],
    ['2026-10-25T00:30:00Z', 'Europe/Berlin', '02:30'],
    ['2026-10-25T01:30:00Z', 'Europe/Berlin', '02:30'],
    ['2026-10-25T02:30:00Z', 'Europe/Berlin', '03:30'],
  ])('%s in %s is %s', async (time, zone, expected) => {
    expect(await at(time, timeOfDay(`'${zone}'`))).toBe(expected);
  });

  test('a span may pass midnight, and one of no length holds never', async () => {
    const night = isBetween("'22:00'", "'06:00'", "'UTC'");
    const day = isBetween("'08:00'", "'17:00'", "'UTC'");
    const holds = async (expression: string) =>
      Promise.all(['05:59', '06:00', '12:00', '22:00'].map((time) => at(`2026-01-05T${time}:00Z`, expression)));
    expect(await holds(night)).toEqual([true, false, false, true]);
    expect(await holds(day)).toEqual([false, false, true, false]);
    expect(await holds(isBetween("'12:00'", "'12:00'", "'UTC'"))).toEqual([false, false, false, false]);
  });
});
