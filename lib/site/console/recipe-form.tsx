import { useEffect } from 'preact/hooks';
import { CheckField, Field, TextField } from './fields.tsx';
import { useLive } from './live.ts';
import type { Choice, RecipeInput } from './readings.ts';

interface FormProps {
  inputs: Readonly<Record<string, RecipeInput>>;
  value: Record<string, unknown>;
  /** Called with the values that change. */
  onChange: (change: Record<string, unknown>) => void;
  errors: readonly { pointer: string; message: string }[];
}

/** The form of a recipe, made from the declarations of its inputs. */
export function RecipeForm({ inputs, value, onChange, errors }: FormProps) {
  const of = (name: string) => value[name] ?? inputs[name]?.default;
  return (
    <>
      {Object.entries(inputs).map(([name, input]) => (
        <Input
          key={name}
          input={input}
          value={of(name)}
          chosen={of}
          wrong={errors.find(({ pointer }) => pointer === `/inputs/${name}`)?.message}
          onChange={(next, others = {}) => {
            const known = Object.entries(others).filter(([other]) => Object.hasOwn(inputs, other));
            onChange({ ...Object.fromEntries(known), [name]: next });
          }}
        />
      ))}
    </>
  );
}

interface InputProps {
  input: RecipeInput;
  value: unknown;
  chosen: (name: string) => unknown;
  wrong: string | undefined;
  onChange: (value: unknown, others?: Record<string, unknown>) => void;
}

function Input({ input, value, chosen, wrong, onChange }: InputProps) {
  const { title, type } = input;
  if (type === 'boolean') {
    return (
      <div class="field">
        <CheckField checked={value === true} onChange={onChange}>
          {title}
        </CheckField>
        {wrong && <p class="wrong">{wrong}</p>}
      </div>
    );
  }
  if (input.choices !== undefined) {
    return <Pick input={input} value={value} chosen={chosen} wrong={wrong} onChange={onChange} />;
  }
  return <Typed input={input} value={value} wrong={wrong} onChange={onChange} />;
}

/** A value that is typed: a text, a number, or a list with commas. */
function Typed({ input, value, wrong, onChange, hint }: Omit<InputProps, 'chosen'> & { hint?: string }) {
  const { title, type } = input;
  const text = Array.isArray(value) ? value.join(', ') : value === undefined ? '' : String(value);
  if (type === 'list') {
    return (
      <Field label={title} wrong={wrong} hint={hint ?? 'Separated by commas.'}>
        {(shared) => (
          <input
            {...shared}
            required={input.default === undefined}
            value={text}
            onChange={(event) => onChange(event.currentTarget.value.split(/\s*,\s*/).filter(Boolean))}
          />
        )}
      </Field>
    );
  }
  return (
    <TextField
      label={title}
      wrong={wrong}
      hint={hint}
      type={type === 'number' ? 'number' : 'text'}
      required={input.default === undefined}
      value={text}
      onChange={(next) => onChange(next === '' ? undefined : type === 'number' ? Number(next) : next)}
    />
  );
}

/** A value that is picked from what Trunkline or a vendor has at the moment. If that cannot be read, it is typed. */
function Pick({ input, value, chosen, wrong, onChange }: InputProps) {
  const missing: string[] = [];
  const path = (input.choices ?? '').replace(/\{(\w+)\}/g, (_, name: string) => {
    const given = chosen(name);
    if (given === undefined || given === '') missing.push(name);
    return encodeURIComponent(String(given ?? ''));
  });
  const { data, problem } = useLive<Choice[]>(missing.length > 0 ? undefined : `/v1/choices/${path}`, 0);
  const [only, ...others] = data ?? [];
  useEffect(() => {
    // Where there is one choice, nobody has to make it.
    if (!only || others.length > 0 || value !== undefined || input.type === 'list') return;
    onChange(only[input.pick ?? 'id'] ?? only.id, only.with);
  }, [only?.id, others.length]);
  if (missing.length > 0 || problem) {
    const hint = problem ? `The list cannot be read: ${problem.message}` : 'Fill in the fields above to get a list.';
    return <Typed input={input} value={value} wrong={wrong} onChange={onChange} hint={hint} />;
  }
  const part = input.pick ?? 'id';
  const options = new Map((data ?? []).map((choice) => [String(choice[part] ?? choice.id), choice]));
  const names = [...options].map(([key, { name, detail }]) => ({
    key,
    text: part === 'detail' && detail !== undefined ? `${detail} (${name})` : detail ? `${name} (${detail})` : name,
  }));
  if (input.type === 'list') {
    const listed = Array.isArray(value) ? value.map(String) : [];
    return (
      <fieldset class="field">
        <legend>{input.title}</legend>
        {names.map(({ key, text }) => (
          <CheckField
            key={key}
            checked={listed.includes(key)}
            onChange={(on) => onChange(on ? [...listed, key] : listed.filter((each) => each !== key))}
          >
            {text}
          </CheckField>
        ))}
        {wrong && <p class="wrong">{wrong}</p>}
        {data?.length === 0 && <p class="hint">There is nothing to choose.</p>}
      </fieldset>
    );
  }
  const current = value === undefined ? '' : String(value);
  return (
    <Field label={input.title} wrong={wrong}>
      {(shared) => (
        <select
          {...shared}
          required={input.default === undefined}
          value={current}
          onChange={(event) => {
            const key = event.currentTarget.value;
            const choice = options.get(key);
            onChange(choice && (input.type === 'number' ? Number(key) : key), choice?.with);
          }}
        >
          <option value="">{data ? (data.length === 0 ? 'There is nothing to choose' : '–') : 'Loading…'}</option>
          {current !== '' && !options.has(current) && <option value={current}>{current}</option>}
          {names.map(({ key, text }) => (
            <option key={key} value={key}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
