import type { Tone } from './parts.tsx';

/** A position to be drawn, in degrees. */
export interface Place {
  name: string;
  latitude: number;
  longitude: number;
  tone: Tone;
}

const width = 960;
const height = 420;
const margin = 48;
/** The length of a degree of latitude, in metres. */
const metresPerDegree = 111_320;
/** At least this much is shown, so that people at one place are not spread over the whole map, in metres. */
const minSpanMetres = 400;

/** Positions drawn to scale without a map below them, north up, with a scale bar. */
export function PositionMap({ places }: { places: readonly Place[] }) {
  const middle = (values: number[]) => (Math.min(...values) + Math.max(...values)) / 2;
  const latitude = middle(places.map((place) => place.latitude));
  const longitude = middle(places.map((place) => place.longitude));
  // An equirectangular projection around the middle: right to a few metres over the area of a company.
  const narrowing = Math.cos((latitude * Math.PI) / 180);
  const points = places.map((place) => ({
    ...place,
    east: (place.longitude - longitude) * metresPerDegree * narrowing,
    north: (place.latitude - latitude) * metresPerDegree,
  }));
  const reach = (axis: 'east' | 'north') => Math.max(...points.map((point) => Math.abs(point[axis])));
  const metresPerUnit = Math.max(
    minSpanMetres / width,
    (reach('east') * 2) / (width - 2 * margin),
    (reach('north') * 2) / (height - 2 * margin),
  );
  const scale = scaleLength(metresPerUnit * 200);
  const ticks = Array.from({ length: 9 }, (_, at) => at - 4);
  const step = scale / metresPerUnit;
  return (
    <svg class="map" viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`${places.length} positions, north up`}>
      {ticks.map((tick) => (
        <g key={tick} class="grid">
          <path d={`M${width / 2 + tick * step} 0V${height}`} />
          <path d={`M0 ${height / 2 + tick * step}H${width}`} />
        </g>
      ))}
      {points.map(({ name, east, north, tone }) => {
        const x = width / 2 + east / metresPerUnit;
        const y = height / 2 - north / metresPerUnit;
        const left = x > width * 0.75;
        return (
          <g key={`${name} ${x} ${y}`} class={`place ${tone}`}>
            <circle cx={x} cy={y} r="9" />
            <text x={left ? x - 15 : x + 15} y={y + 6} text-anchor={left ? 'end' : 'start'}>
              {name}
            </text>
          </g>
        );
      })}
      <g class="scale">
        <path d={`M20 ${height - 28}v8h${step}v-8`} />
        <text x="20" y={height - 36}>
          {scale >= 1000 ? `${scale / 1000} km` : `${scale} m`}
        </text>
      </g>
    </svg>
  );
}

/** The longest of 1, 2 or 5 times a power of ten metres that is not longer than `metres`. */
function scaleLength(metres: number): number {
  const power = 10 ** Math.floor(Math.log10(metres));
  return ([5, 2, 1].find((each) => each * power <= metres) ?? 1) * power;
}
