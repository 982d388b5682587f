/**
 * JSONata: the alerts in the body of a post from a monitoring tool, as a list of
 * `{dedup_key, action: trigger|acknowledge|resolve, severity: critical|warning|info, summary, source, link}`. Understands this
 * form itself, Alertmanager, Grafana, PagerDuty (Events API and V3 webhooks) and Uptime Kuma. A tool's own test message gives
 * an empty list; a body of none of these forms is an error.
 */
export const alertsIn = (body: string): string => `(
  $b := ${body};
  $severity := function($s) {(
    $l := $lowercase($string($s));
    $l in ['info', 'information', 'low', 'none', 'debug', 'p4', 'p5'] ? 'info'
      : $l in ['warning', 'warn', 'medium', 'minor', 'p3'] ? 'warning' : 'critical'
  )};
  $first := function($values) {$values[$ != null and $ != ''][0]};
  $exists($b.alerts) ? [$b.alerts.{
    'dedup_key': fingerprint,
    'action': status = 'resolved' ? 'resolve' : 'trigger',
    'severity': $severity(labels.severity),
    'summary': $first([annotations.summary, annotations.description, labels.alertname]),
    'source': $first([labels.instance, labels.job, $b.receiver]),
    'link': $first([panelURL, dashboardURL, generatorURL])
  }]
  : $exists($b.event.event_type) ? [$b.event[event_type in ['incident.triggered', 'incident.reopened', 'incident.acknowledged', 'incident.resolved']].{
    'dedup_key': data.id,
    'action': event_type = 'incident.resolved' ? 'resolve' : event_type = 'incident.acknowledged' ? 'acknowledge' : 'trigger',
    'severity': data.urgency = 'low' ? 'warning' : 'critical',
    'summary': data.title,
    'source': data.service.summary,
    'link': data.html_url
  }]
  : $exists($b.event_action) ? [{
    'dedup_key': $b.dedup_key,
    'action': $b.event_action,
    'severity': $severity($b.payload.severity),
    'summary': $b.payload.summary,
    'source': $b.payload.source,
    'link': $first([$b.links[0].href, $b.client_url])
  }]
  : $exists($b.heartbeat) ? ($not($b.heartbeat.status in [0, 1]) ? [] : [{
    'dedup_key': 'kuma ' & $b.monitor.id,
    'action': $b.heartbeat.status = 1 ? 'resolve' : 'trigger',
    'severity': 'critical',
    'summary': $b.msg,
    'source': $b.monitor.name,
    'link': $first([$b.monitor.url[$ != 'https://']])
  }])
  : $exists($b.dedup_key) ? [{
    'dedup_key': $b.dedup_key,
    'action': $b.action,
    'severity': $severity($b.severity),
    'summary': $b.summary,
    'source': $b.source,
    'link': $b.link
  }]
  : $error('This is not an alert in a known form: ' & $substring($string($b), 0, 200))
)`;
