import jsonata from 'jsonata';
import { expect, test } from 'vitest';
import { literalsOf, withLiterals } from './literals.ts';

const sealed = (template: string) =>
  withLiterals(
    template,
    literalsOf(template, (text) => jsonata(text).ast()),
    (value) => `<${value}>`,
  );

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
});

test.each([
  "{% $lookup(event, 'password') %}",
  "{% event['x' = kind].id %}",
  '{% event.data.password %}',
  "{% '' & x %}",
])('what is compared, or given to a function, stays as it is: %s', (template) => {
  expect(sealed(template)).toBe(template);
});
