import { json, jsonLanguage, jsonParseLinter } from '@codemirror/lang-json';
import { syntaxTree } from '@codemirror/language';
import { type Diagnostic, linter, lintGutter } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';
import { basicSetup } from 'codemirror';
import type { DefinitionPlace, JsonHelp } from './definition-schema.ts';

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

/** How long writing pauses before a value is checked, in milliseconds. */
const checkAfterMs = 600;

/**
 * Opens CodeMirror in a shadow root, where its styles are constructed by script. As elements of the page, the page's policy would
 * block them. Returns what closes it.
 */
export function openEditor(
  place: HTMLElement,
  label: string,
  text: string,
  { onChange, check, ...help }: JsonHelp & { onChange: (text: string) => void },
): () => void {
  const root = place.shadowRoot ?? place.attachShadow({ mode: 'open' });
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        basicSetup,
        json(),
        jsonLanguage.data.of({ autocomplete: (context: CompletionPlace) => suggestions(context, help) }),
        linter((edited) => problems(edited, check), { delay: checkAfterMs }),
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
  return () => view.destroy();
}

const unreadable = jsonParseLinter();

/** What keeps the text from being JSON, or else what the check finds. */
async function problems(view: EditorView, check: JsonHelp['check']): Promise<readonly Diagnostic[]> {
  const broken = unreadable(view);
  if (broken.length > 0) return broken;
  const errors = await check(JSON.parse(view.state.doc.toString()));
  return errors.map(({ pointer, message }) => ({
    ...placeOf(view.state, pointer),
    severity: 'error',
    message: `${pointer} ${message}`,
  }));
}

/** Of CodeMirror's completion context, what is needed here. */
interface CompletionPlace {
  state: EditorState;
  pos: number;
}

/** Suggestions for the name or the text that the cursor is in. */
function suggestions({ state, pos }: CompletionPlace, { names, values }: Omit<JsonHelp, 'check'>) {
  const node = syntaxTree(state).resolveInner(pos, -1);
  if (node.name !== 'PropertyName' && node.name !== 'String') return null;
  const isName = node.name === 'PropertyName';
  const at = whereIs(state, isName ? node.parent?.parent : node);
  const found = isName ? names(at) : values(at);
  const options = found.map(({ label, ...more }) => ({ ...more, label: JSON.stringify(label) }));
  return options.length === 0 ? null : { from: node.from, to: node.to, options };
}

/** The place of a value, and the call of the nearest step around it. */
function whereIs(state: EditorState, value: Node | null | undefined): DefinitionPlace {
  const path: string[] = [];
  let call: string | undefined;
  for (let node = value; node?.parent; node = node.parent) {
    const { parent } = node;
    if (parent.name === 'Property') path.unshift(nameOf(state, parent.firstChild));
    if (parent.name === 'Array') path.unshift(String(valuesOf(parent).findIndex(({ from }) => from === node.from)));
    if (parent.name === 'Object' && call === undefined) {
      const made = parent.getChildren('Property').find((each) => nameOf(state, each.firstChild) === 'call');
      if (made) call = nameOf(state, made.lastChild);
    }
  }
  return { path, call };
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
