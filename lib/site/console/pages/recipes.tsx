import { useLive } from '../live.ts';
import { Empty, Page } from '../parts.tsx';
import type { Recipe } from '../readings.ts';
import { Link } from '../router.tsx';
import { LiveList } from '../rows.tsx';

/** The recipes: finished automations with a form. */
export function Recipes() {
  const recipes = useLive<Recipe[]>('/v1/recipes', 0);
  return (
    <Page
      title="Recipes"
      back={{ to: '/automations', name: 'Automations' }}
      lead="Finished automations for common jobs. Fill in a form, see what will be created, and install it."
    >
      <LiveList
        live={recipes}
        list="cards"
        empty={<Empty title="This installation has no recipes." icon="automations" />}
      >
        {({ name, title, summary }) => (
          <li key={name} class="card">
            <h2>
              <Link to={`/recipes/${name}`}>{title}</Link>
            </h2>
            <p>{summary}</p>
          </li>
        )}
      </LiveList>
    </Page>
  );
}
