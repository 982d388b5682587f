import { useLive } from '../live.ts';
import { Empty, Loading, Notice, Page } from '../parts.tsx';
import type { Recipe } from '../readings.ts';
import { Link } from '../router.tsx';

/** The recipes: finished automations with a form. */
export function Recipes() {
  const { data, problem, reload } = useLive<Recipe[]>('/v1/recipes', 0);
  return (
    <Page
      title="Recipes"
      back={{ to: '/automations', name: 'Automations' }}
      lead="Finished automations for common jobs. Fill in a form, see what will be created, and install it."
    >
      <Notice problem={problem} onRetry={() => void reload()} />
      {!data && !problem && <Loading rows={4} />}
      {data?.length === 0 && <Empty title="This installation has no recipes." icon="automations" />}
      <ul class="cards">
        {data?.map(({ name, title, summary }) => (
          <li key={name} class="card">
            <h2>
              <Link to={`/recipes/${name}`}>{title}</Link>
            </h2>
            <p>{summary}</p>
          </li>
        ))}
      </ul>
    </Page>
  );
}
