import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { call, callOnce } from './api.ts';
import { Button } from './button.tsx';
import { SelectField, TextField } from './fields.tsx';
import { Form, type FormProps } from './form.tsx';
import { Icon } from './icons.tsx';
import { reloadAll } from './live.ts';
import { CopyField, Mark, say } from './parts.tsx';
import { go } from './router.tsx';
import { capital } from './words.ts';

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
}

/** A dialog that keeps the focus and gives it back. */
export function Dialog({ title, onClose, children, wide }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    const first = (of: string) => element?.querySelector<HTMLElement>(`header ~ * :is(${of})`);
    (first('input, select, textarea') ?? first('button, a'))?.focus();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      class={wide ? 'wide' : ''}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header>
        <h2 id={id}>{title}</h2>
        <button type="button" class="icon-button" onClick={onClose} aria-label="Close">
          <Icon name="close" />
        </button>
      </header>
      {children}
    </dialog>
  );
}

interface FormDialogProps extends Omit<DialogProps, 'children'>, Omit<FormProps, 'beside' | 'quiet'> {
  cancel?: string;
}

/** Asks for something or for a confirmation. `onSubmit` closes it. */
export function FormDialog({ title, onClose, wide, cancel = 'Cancel', children, ...form }: FormDialogProps) {
  return (
    <Dialog title={title} onClose={onClose} wide={wide ?? false}>
      <Form {...form} beside={<Button onClick={onClose}>{cancel}</Button>}>
        {children}
      </Form>
    </Dialog>
  );
}

interface DeleteProps {
  /** The name of what is deleted. */
  name: string;
  /** Where it is in the API. */
  path: string;
  /** The page to go to afterwards; absent stays. */
  to?: string;
  /** Text that has to be typed first. */
  typed?: string;
  onClose: () => void;
  /** What is lost with it. */
  children: ComponentChildren;
}

/** Deletes something for good, after a confirmation. */
export function DeleteDialog({ name, path, to, typed, onClose, children }: DeleteProps) {
  const [text, setText] = useState('');
  return (
    <FormDialog
      title={`Delete ${name}?`}
      submit="Delete"
      busy="Deleting…"
      cancel="Keep it"
      danger
      disabled={typed !== undefined && text !== typed}
      onClose={onClose}
      onSubmit={async (isShown) => {
        await call('DELETE', path);
        if (to !== undefined && isShown()) go(to);
        onClose();
        reloadAll();
        say(`${capital(name)} is deleted.`);
      }}
    >
      <p>{children}</p>
      {typed !== undefined && <TextField label={`Type ${typed} to confirm`} value={text} onChange={setText} />}
    </FormDialog>
  );
}

interface RotateProps<T> {
  title: string;
  submit: string;
  /** What keeps working for a while, as a label. */
  label: string;
  path: string;
  body?: object;
  /** What happens if the old value stops at once. */
  warning?: string;
  onMade: (made: T) => void;
  onClose: () => void;
}

/** Replaces a secret or an address, and asks how long the old one keeps working. */
export function RotateDialog<T>({ title, submit, label, path, body, warning, onMade, onClose }: RotateProps<T>) {
  const [overlap, setOverlap] = useState(86_400);
  return (
    <FormDialog
      title={title}
      submit={submit}
      busy="Creating…"
      onClose={onClose}
      onSubmit={async () => {
        onMade(await callOnce<T>(path, { ...body, overlapSeconds: overlap }));
        reloadAll();
      }}
    >
      <SelectField
        label={label}
        value={overlap}
        onChange={setOverlap}
        options={[
          [86_400, 'a day'],
          [604_800, 'a week'],
          [3600, 'an hour'],
          [0, 'no time: it stops at once'],
        ]}
      />
      {overlap === 0 && warning && (
        <p class="notice warn">
          <Mark tone="warn" />
          <span>{warning}</span>
        </p>
      )}
    </FormDialog>
  );
}

interface ShownOnceProps {
  title: string;
  /** What is shown this once, by its label. */
  values: Readonly<Record<string, string | undefined>>;
  children?: ComponentChildren;
  /** Buttons beside the one that closes. */
  actions?: ComponentChildren;
  onClose: () => void;
}

/** Shows secrets once, to be copied. */
export function ShownOnce({ title, values, children, actions, onClose }: ShownOnceProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <div>
        <p>
          <strong>This is shown only once.</strong> Copy it now; you can create a new one later.
        </p>
        {Object.entries(values).map(
          ([label, value]) => value !== undefined && <CopyField key={label} label={label} value={value} />,
        )}
        {children}
        <div class="dialog-actions">
          {actions}
          <Button primary onClick={onClose}>
            I have copied it
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
