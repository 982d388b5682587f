import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

interface FieldProps {
  label: ComponentChildren;
  hint?: ComponentChildren;
  /** Why the value is rejected. */
  wrong?: string | undefined;
}

interface PartProps extends FieldProps {
  children: (shared: { id: string; 'aria-invalid': boolean; 'aria-describedby': string }) => ComponentChildren;
}

/** A label, an input, a hint and what is wrong, connected for assistive technology. */
export function Field({ label, hint, wrong, children }: PartProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, 'aria-invalid': wrong !== undefined, 'aria-describedby': `${id}-hint` })}
      <div id={`${id}-hint`}>
        {wrong !== undefined && <p class="wrong">{wrong}</p>}
        {hint && <p class="hint">{hint}</p>}
      </div>
    </div>
  );
}

interface TextProps extends FieldProps {
  value: string;
  onChange: (value: string) => void;
  type?: 'text' | 'number' | 'url' | 'datetime-local';
  required?: boolean;
  placeholder?: string;
  pattern?: string;
  title?: string;
  maxLength?: number;
  /** The id of a `datalist`. */
  list?: string;
}

export function TextField({ label, hint, wrong, value, onChange, ...rest }: TextProps) {
  return (
    <Field label={label} hint={hint} wrong={wrong}>
      {(shared) => (
        <input
          autocomplete="off"
          {...shared}
          {...rest}
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

interface AreaProps extends FieldProps {
  value: string;
  onChange: (value: string) => void;
  rows?: number;
  required?: boolean;
}

export function TextArea({ label, hint, wrong, value, onChange, ...rest }: AreaProps) {
  return (
    <Field label={label} hint={hint} wrong={wrong}>
      {(shared) => (
        <textarea
          spellcheck={false}
          {...shared}
          {...rest}
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

interface SelectProps<T extends string | number> extends FieldProps {
  value: T | undefined;
  required?: boolean;
  options: readonly (readonly [value: T, name: string])[];
  onChange: (value: T) => void;
}

export function SelectField<T extends string | number>({ label, hint, wrong, required, ...rest }: SelectProps<T>) {
  const { value, options, onChange } = rest;
  return (
    <Field label={label} hint={hint} wrong={wrong}>
      {(shared) => (
        <select
          {...shared}
          required={required}
          value={value}
          onChange={(event) => {
            const chosen = options[event.currentTarget.selectedIndex];
            if (chosen) onChange(chosen[0]);
          }}
        >
          {options.map(([id, name]) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

interface CheckProps {
  checked: boolean;
  onChange: (checked: boolean) => void;
  children: ComponentChildren;
}

export function CheckField({ checked, onChange, children }: CheckProps) {
  return (
    <label class="check">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span>{children}</span>
    </label>
  );
}

interface ChipsProps<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [value: T, name: string])[];
  onChange: (value: T) => void;
}

/** A row of buttons, one of which is on. */
export function Chips<T extends string>({ label, value, options, onChange }: ChipsProps<T>) {
  return (
    <fieldset class="chips" aria-label={label}>
      {options.map(([id, name]) => (
        <button key={id} type="button" class="chip" aria-pressed={value === id} onClick={() => onChange(id)}>
          {name}
        </button>
      ))}
    </fieldset>
  );
}
