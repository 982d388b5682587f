import { refusedField } from '../../core/errors.ts';
import { embedded } from '../../expressions/template.ts';

/** A value that an installation supplies. */
export interface RecipeInput {
  title: string;
  type: 'text' | 'number' | 'boolean' | 'list';
  /** The source of its choices, as a path below `/v1/choices/`; `{name}` refers to another input. */
  choices?: string;
  /** The part of a choice that is the value; the id unless it is given. */
  pick?: 'name' | 'detail';
  /** The default value; an input without one is required. */
  default?: unknown;
}

/** Hooks and automations with inputs. `{{name}}` is replaced by an input, `{{hook.KEY}}` by the id of a hook. */
export interface Recipe {
  title: string;
  summary: string;
  /** The prerequisites for installation, one sentence each. */
  requirements: readonly string[];
  inputs: Readonly<Record<string, RecipeInput>>;
  /** Settings of hooks by key; each is named after the installation and its `name`. */
  hooks?: Readonly<Record<string, { name: string } & Record<string, unknown>>>;
  automations: readonly ({ name: string } & Record<string, unknown>)[];
}

/** The recipes by name. */
export type Recipes = Readonly<Record<string, Recipe>>;

/** Loads the recipes. A function that shows or installs none starts without them. */
export type LoadRecipes = () => Promise<Recipes>;

/** The inputs of an installation with defaults applied. Rejects missing, unknown or ill-typed inputs by name. */
export function readInputs(recipe: Recipe, given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(recipe.inputs, name));
  if (unknown !== undefined) throw refusedField(`/inputs/${unknown}`, 'is not an input of this recipe');
  return Object.fromEntries(
    Object.entries(recipe.inputs).map(([name, input]) => {
      const value = given[name] ?? input.default;
      if (value === undefined) throw refusedField(`/inputs/${name}`, `is required: ${input.title}`);
      if (!fits(input, value)) throw refusedField(`/inputs/${name}`, `must be of type ${input.type}`);
      return [name, value];
    }),
  );
}

function fits({ type }: RecipeInput, value: unknown): boolean {
  switch (type) {
    case 'list':
      return Array.isArray(value);
    case 'text':
      return typeof value === 'string' && value !== '' && value.length <= 500;
    default:
      return typeof value === type;
  }
}

/**
 * Returns a copy of a template with its placeholders replaced. A string that is a single placeholder becomes the value itself,
 * whatever its type. Inside an expression a value becomes a JSONata literal, elsewhere text.
 */
export function fill(template: unknown, values: Readonly<Record<string, unknown>>): unknown {
  if (typeof template === 'string') return fillText(template, values);
  if (Array.isArray(template)) return template.map((item) => fill(item, values));
  if (typeof template !== 'object' || template === null) return template;
  return Object.fromEntries(Object.entries(template).map(([key, member]) => [key, fill(member, values)]));
}

const placeholder = /\{\{([\w.]+)\}\}/g;

function fillText(text: string, values: Readonly<Record<string, unknown>>): unknown {
  const inputOf = (name: string): unknown => {
    if (!Object.hasOwn(values, name)) throw new Error(`The recipe has no input ${name}`);
    return values[name];
  };
  const [, whole] = /^\{\{([\w.]+)\}\}$/.exec(text) ?? [];
  if (whole !== undefined) return inputOf(whole);
  // Parts with odd indexes are expressions.
  return text
    .split(embedded)
    .map((part, index) => {
      const isExpression = index % 2 === 1;
      const filled = part.replaceAll(placeholder, (_, name: string) => {
        const value = inputOf(name);
        return isExpression ? JSON.stringify(value) : String(value);
      });
      return isExpression ? `{%${filled}%}` : filled;
    })
    .join('');
}
