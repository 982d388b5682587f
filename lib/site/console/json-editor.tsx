import { useEffect, useRef } from 'preact/hooks';
import type { JsonHelp } from './definition-schema.ts';

interface EditorProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  help: JsonHelp;
}

/** A JSON editor that suggests what may be written and marks errors in place. CodeMirror is loaded when it is first shown. */
export function JsonEditor({ label, value, onChange, help }: EditorProps) {
  const place = useRef<HTMLDivElement>(null);
  const latest = useRef({ onChange, help });
  latest.current = { onChange, help };
  const first = useRef(value);
  useEffect(() => {
    let gone = false;
    let end = () => {
      gone = true;
    };
    void import('./code-mirror.ts').then(({ openEditor }) => {
      if (gone || !place.current) return;
      end = openEditor(place.current, label, first.current, {
        onChange: (text) => latest.current.onChange(text),
        names: (at) => latest.current.help.names(at),
        values: (at) => latest.current.help.values(at),
        check: (read) => latest.current.help.check(read),
      });
    });
    return () => end();
  }, [label]);
  return <div ref={place} class="code-editor" />;
}
