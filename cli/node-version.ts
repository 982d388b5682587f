import project from '../package.json' with { type: 'json' };

/** What is wrong with a version of Node, for the person who has to install another; undefined if it is new enough. */
export function nodeProblem(version: string): string | undefined {
  const needed = project.engines.node.replace(/^>=/, '');
  if (version.localeCompare(needed, 'en', { numeric: true }) >= 0) return undefined;
  return `Trunkline needs Node ${needed} or newer, and this is Node ${version}. Install a newer one from https://nodejs.org.`;
}
