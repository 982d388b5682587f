import { describe, expect, test } from 'vitest';
import type { Step } from '../definition.ts';
import { placeSteps } from '../steps.ts';
import { dependenciesOf, mentions, referencedSteps, stepsBeside } from './dependencies.ts';

const call = (name: string, more: object = {}) => ({ name, call: 'chat/demo/say', ...more }) as Step;
const beside = { onError: 'continue' };

describe('the steps that a template reads', () => {
  test.each([
    ['no expression', 'steps.one', []],
    ['an expression', '{% steps.one.output.id & steps . two.error %}', ['one', 'two']],
    ['a text with expressions', 'Room {% steps.one.output %} and {% steps.two.output %}', ['one', 'two']],
    ['nested values', { a: [{ b: '{% steps.one.output %}' }], c: null, d: 4 }, ['one']],
    ['another word', '{% mysteps.one + event.data.stepsize %}', []],
  ])('by name: %s', (_what, template, names) => {
    expect([...referencedSteps(template)]).toEqual(names);
  });

  test.each([
    '{% $string({"s": steps}) %}',
    '{% $merge([steps, {"x": 1}]) %}',
    '{% steps.*.error %}',
    '{% $exists(steps.**.error) %}',
    '{% steps["one"] %}',
  ])('all of them: %s', (template) => {
    expect(referencedSteps(template)).toBe('all');
  });

  test('any other binding is found by its name', () => {
    expect([mentions('{% memo.x %}', 'memo'), mentions('{% memos %}', 'memo'), mentions('memo', 'memo')]).toEqual([
      true,
      false,
      false,
    ]);
  });
});

describe('a step waits for', () => {
  const earlier = placeSteps([call('one'), call('two'), call('three')]);
  const names = (step: object) => dependenciesOf(step as Step, earlier).map(({ name }) => name);

  test('those that it reads or names in `after`', () => {
    expect(names(call('last', { input: { text: '{% steps.two.output %}' }, after: ['one'] }))).toEqual(['one', 'two']);
    expect(names(call('last', { if: '{% steps.three.output = 1 %}' }))).toEqual(['three']);
    expect(names(call('last', { input: { text: '{% $string(steps) %}' } }))).toEqual(['one', 'two', 'three']);
    expect(names(call('last'))).toEqual([]);
  });

  test('those that the steps within it read or name', () => {
    const inner = [call('line', { after: ['three'], input: { text: '{% steps.one.output %}' } })];
    expect(names({ name: 'each', forEach: '{% [1] %}', do: inner })).toEqual(['one', 'three']);
  });
});

describe('beside the others run', () => {
  const named = (steps: Step[], outside = new Set<ReturnType<typeof placeSteps>[number]>()) =>
    [...stepsBeside(placeSteps(steps), outside)].map(({ name }) => name);

  test('calls whose errors do not stop the run, and values that are made from them', () => {
    expect(
      named([
        call('strict'),
        call('one', beside),
        { name: 'value', set: '{% steps.one.output %}' } as Step,
        { name: 'again', set: '{% steps.value.output %}' } as Step,
        { name: 'constant', set: 4 } as Step,
        { name: 'fromStrict', set: '{% steps.strict.output %}' } as Step,
        { name: 'list', forEach: '{% [1] %}', do: [call('inner', beside)], ...beside } as Step,
        { name: 'pause', wait: { seconds: 1 } } as Step,
      ]),
    ).toEqual(['one', 'value', 'again']);
  });

  test('values that are made from a step which runs beside the list around them', () => {
    const [outer] = placeSteps([call('outer', beside)]);
    const value = { name: 'value', set: '{% steps.outer.output %}' } as Step;
    expect(named([value], new Set(outer ? [outer] : []))).toEqual(['value']);
    expect(named([value])).toEqual([]);
  });
});
