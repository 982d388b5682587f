import type { ButtonHTMLAttributes } from 'preact';

interface ButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'type' | 'class'> {
  primary?: boolean;
  small?: boolean;
}

/** A button that acts on the page; those that submit a form are in `FormDialog`. */
export function Button({ primary, small, ...rest }: ButtonProps) {
  return <button type="button" class={`button${primary ? ' primary' : ''}${small ? ' small' : ''}`} {...rest} />;
}
