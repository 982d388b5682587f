import { useEffect, useRef } from 'preact/hooks';

interface EditorProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  /** What the API rejected, by JSON pointer. It is marked in place. */
  errors: readonly { pointer: string; message: string }[];
}

/** A JSON editor that marks errors in place. CodeMirror is loaded when the editor is first shown. */
export function JsonEditor({ label, value, onChange, errors }: EditorProps) {
  const place = useRef<HTMLDivElement>(null);
  const mark = useRef<(errors: EditorProps['errors']) => void>(undefined);
  const change = useRef(onChange);
  change.current = onChange;
  const first = useRef(value);
  const wrong = useRef(errors);
  wrong.current = errors;
  useEffect(() => {
    let gone = false;
    let end = () => {
      gone = true;
    };
    void import('./code-mirror.ts').then(({ openEditor }) => {
      if (gone || !place.current) return;
      const editor = openEditor(place.current, label, first.current, (text) => change.current(text));
      mark.current = editor.mark;
      mark.current(wrong.current);
      end = editor.close;
    });
    return () => end();
  }, [label]);
  useEffect(() => mark.current?.(errors), [errors]);
  return <div ref={place} class="code-editor" />;
}
