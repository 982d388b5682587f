import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Icon } from './icons.tsx';
import { type Action, CopyField, Notice, useAction } from './parts.tsx';

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
    element?.querySelector<HTMLElement>('header ~ * :is(input, select, textarea)')?.focus();
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

interface FormDialogProps extends DialogProps {
  /** The text of the button that submits, and while it works. */
  submit: string;
  busy?: string;
  cancel?: string;
  /** Marks what cannot be undone or sounds an alarm. */
  danger?: boolean | undefined;
  disabled?: boolean | undefined;
  /** Where the fields show what the API rejected, the form's own action is passed in. */
  action?: Action;
  onSubmit: () => Promise<void>;
}

/** Asks for something or for a confirmation, and shows why it failed. `onSubmit` closes it. */
export function FormDialog(props: FormDialogProps) {
  const { title, submit, busy, cancel = 'Cancel', danger, disabled, wide, onSubmit, onClose, children } = props;
  const own = useAction();
  const action = props.action ?? own;
  return (
    <Dialog title={title} onClose={onClose} wide={wide ?? false}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void action.run(onSubmit);
        }}
      >
        {children}
        <Notice problem={action.problem} />
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            {cancel}
          </button>
          <button type="submit" class={`button ${danger ? 'danger' : 'primary'}`} disabled={action.busy || disabled}>
            {action.busy ? (busy ?? `${submit}…`) : submit}
          </button>
        </div>
      </form>
    </Dialog>
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
          <button type="button" class="button primary" onClick={onClose}>
            I have copied it
          </button>
        </div>
      </div>
    </Dialog>
  );
}
