import jsonata from 'jsonata';
import { expect, test } from 'vitest';
import { literalsOf, withLiterals } from './literals.ts';

const found = (template: string) => literalsOf(template, (text) => jsonata(text).ast());
const sealed = (template: string) => withLiterals(template, found(template).literals, (value) => `<${value}>`);

test.each([
  ["{% 'pw-' & event.id %}", '{% "<pw->" & event.id %}'],
  ['{% event.id & "-a" & "b" %}', '{% event.id & "<-a>" & "<b>" %}'],
  ['{% "say \\"a\\"" & x %}', '{% "<say \\"a\\">" & x %}'],
  [
    "{% event.kind = 'admin' ? 'one' : 'two' & $string(1) %}",
    `{% event.kind = 'admin' ? "<one>" : "<two>" & $string(1) %}`,
  ],
  ["{% ($x := event.id; 'p' & $x) %}", '{% ($x := event.id; "<p>" & $x) %}'],
  ['pw-{% event.id %}!', '<pw->{% event.id %}<!>'],
  ["a{% 'b' %}{% 'c' %}", '<a>{% "<b>" %}{% "<c>" %}'],
])('%s', (template, expected) => {
  expect(sealed(template)).toBe(expected);
  expect(found(template).hasOthers).toBe(false);
});

test.each([
  "{% $lookup(event, 'password') %}",
  "{% event['x' = kind].id %}",
  '{% event.data.password %}',
  "{% '' & x %}",
  "{% $split(event.text, ' ')[1] %}",
  "{% event.text ~> $substringAfter(': ') %}",
  "{% event.users[name in ['a', 'b']].id %}",
  "{% event.users^(>$lookup($, 'age'))[0].id %}",
  "{% $lookup({'jane': event.one}, event.name) %}",
  "{% event.kind = 'admin' ? event.one : event.two %}",
  "{% $hash($link('password') & event.id) %}",
  "{% event.password ? event.password : $error('There is no password') %}",
])('what is compared, filtered by or looked for stays as it is: %s', (template) => {
  expect(sealed(template)).toBe(template);
  expect(found(template).hasOthers).toBe(false);
});

test.each([
  "{% $join(['pw', event.id]) %}",
  "{% 'pw' ~> $uppercase %}",
  "{% $substringBefore('pw:x', ':') %}",
  "{% $lookup({'jane': 'pw'}, event.name) %}",
  "{% event.users{name: 'pw'}.jane %}",
  "{% ($x := 'pw'; $x & event.id) %}",
  "{% (function($x) { 'pw' & $x })(event.id) %}",
  "{% event.id & (event.ok ? $pad(event.id, 8, 'pw') : 'b') %}",
  "{% $replace(event.id, /a/, 'pw') %}",
  "{% ['pw'][0] %}",
  "{% event.id %}-{% $uppercase('pw') %}",
])('a text that may come into the result in another way is noticed: %s', (template) => {
  expect(found(template).hasOthers).toBe(true);
});
