import type { ComponentChildren } from 'preact';
import { type Action, Notice, useAction, type Work } from './parts.tsx';

export interface FormProps {
  /** The text of the button that submits, and while it works. */
  submit: string;
  busy?: string | undefined;
  /** Marks what cannot be undone or sounds an alarm. */
  danger?: boolean | undefined;
  /** A button that is not the main one of its page. */
  quiet?: boolean | undefined;
  disabled?: boolean | undefined;
  /** Where the fields show what the API rejected, the form's own action is passed in. */
  action?: Action | undefined;
  /** Buttons before the one that submits. */
  beside?: ComponentChildren;
  onSubmit: Work;
  children?: ComponentChildren;
}

/** Fields with a button that submits them: disabled meanwhile, and it shows why it failed. */
export function Form({ submit, busy, danger, quiet, disabled, beside, onSubmit, children, ...props }: FormProps) {
  const own = useAction();
  const action = props.action ?? own;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void action.run(onSubmit);
      }}
    >
      {children}
      <Notice problem={action.problem} />
      <div class="dialog-actions">
        {beside}
        <button
          type="submit"
          class={`button ${danger ? 'danger' : quiet ? '' : 'primary'}`}
          disabled={action.busy || disabled}
        >
          {action.busy ? (busy ?? `${submit}…`) : submit}
        </button>
      </div>
    </form>
  );
}
