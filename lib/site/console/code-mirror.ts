import { json, jsonParseLinter } from '@codemirror/lang-json';
import { syntaxTree } from '@codemirror/language';
import { type Diagnostic, linter, lintGutter, setDiagnostics } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { basicSetup } from 'codemirror';

const look = EditorView.theme({
  '&': { fontSize: '0.875rem', backgroundColor: 'transparent', color: 'var(--text)' },
  '&.cm-focused': { outline: '2px solid var(--accent)', outlineOffset: '2px' },
  '.cm-content': { fontFamily: 'var(--mono)', caretColor: 'var(--text)' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-gutters': { backgroundColor: 'var(--raised)', color: 'var(--muted)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--accent-soft)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'var(--line)',
  },
  '.cm-tooltip': { backgroundColor: 'var(--panel)', color: 'var(--text)', border: '1px solid var(--line)' },
  '.ͼe': { color: 'var(--good)' },
  '.ͼd': { color: 'var(--accent)' },
  '.ͼc': { color: 'var(--warn)' },
  '.ͼl': { color: 'var(--text)' },
});

/**
 * Opens CodeMirror in a shadow root, where its styles are constructed by script. As elements of
 * the page, the page's policy would block them.
 */
export function openEditor(place: HTMLElement, label: string, text: string, onChange: (text: string) => void) {
  const root = place.shadowRoot ?? place.attachShadow({ mode: 'open' });
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        basicSetup,
        json(),
        linter(jsonParseLinter()),
        lintGutter(),
        look,
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ 'aria-label': label }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) onChange(update.state.doc.toString());
        }),
      ],
    }),
  });
  return {
    mark: (errors: readonly { pointer: string; message: string }[]) => {
      if (errors.length === 0) return;
      const diagnostics = errors.map(
        ({ pointer, message }): Diagnostic => ({
          ...placeOf(view.state, pointer),
          severity: 'error',
          message: `${pointer} ${message}`,
        }),
      );
      view.dispatch(setDiagnostics(view.state, diagnostics));
    },
    close: () => view.destroy(),
  };
}

/** The position of the value at a JSON pointer, or of the nearest value that contains it. */
function placeOf(state: EditorState, pointer: string): { from: number; to: number } {
  let node = syntaxTree(state).topNode.firstChild;
  for (const part of pointer.split('/').slice(1)) {
    const step = part.replaceAll('~1', '/').replaceAll('~0', '~');
    const next: typeof node =
      node?.name === 'Object'
        ? (node.getChildren('Property').find((property) => nameOf(state, property.firstChild) === step)?.lastChild ??
          null)
        : node?.name === 'Array'
          ? (valuesOf(node)[Number(step)] ?? null)
          : null;
    if (!next) break;
    node = next;
  }
  return node ? { from: node.from, to: node.to } : { from: 0, to: 0 };
}

type Node = NonNullable<ReturnType<typeof syntaxTree>['topNode']['firstChild']>;

function valuesOf(list: Node): Node[] {
  const values: Node[] = [];
  for (let node = list.firstChild; node; node = node.nextSibling) if (!'[],'.includes(node.name)) values.push(node);
  return values;
}

function nameOf(state: EditorState, node: Node | null): string {
  return node ? state.doc.sliceString(node.from + 1, node.to - 1) : '';
}
