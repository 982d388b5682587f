import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon } from './icons.tsx';
import type { Tone } from './parts.tsx';
import { tileAddress, tiles } from './tiles.ts';

/** A position to be drawn, in degrees. */
export interface Place {
  name: string;
  latitude: number;
  longitude: number;
  tone: Tone;
}

/** A point of the world in Web Mercator: 0 to 1 from west to east and from north to south. */
interface Point {
  x: number;
  y: number;
}

/** The middle of what is shown, and the zoom level of map tiles. */
interface View extends Point {
  zoom: number;
}

const tileSize = 256;
const maxZoom = 19;
/** Closer than this, everybody is not shown at first: people at one place would be spread over the whole map. */
const maxFirstZoom = 16;
const margin = 56;
/** How far an arrow key moves the map, in pixels. */
const stepPixels = 80;
/** The length of the equator, in metres. */
const equatorMetres = 40_075_017;

function pointOf({ latitude, longitude }: Place): Point {
  const angle = (Math.max(-85, Math.min(85, latitude)) * Math.PI) / 180;
  return { x: (longitude + 180) / 360, y: (1 - Math.asinh(Math.tan(angle)) / Math.PI) / 2 };
}

/** The closest view that shows every point. */
function viewOf(points: readonly Point[], width: number, height: number): View {
  const ends = (axis: 'x' | 'y') => {
    const values = points.map((point) => point[axis]);
    return [Math.min(...values), Math.max(...values)] as const;
  };
  const [[west, east], [north, south]] = [ends('x'), ends('y')];
  const room = Math.min(
    (width - 2 * margin) / Math.max(east - west, 1e-9),
    (height - 2 * margin) / Math.max(south - north, 1e-9),
  );
  // While the page is laid out, there may be no room at all.
  const zoom = Math.max(0, Math.min(maxFirstZoom, Math.floor(Math.log2(Math.max(1, room) / tileSize))));
  return { x: (west + east) / 2, y: (north + south) / 2, zoom };
}

/** Positions on map tiles, or on an empty sheet where no address of tiles was entered. North is up. */
export function PositionMap({ places }: { places: readonly Place[] }) {
  const frame = useRef<HTMLDivElement>(null);
  const [{ width, height }, setSize] = useState({ width: 960, height: 420 });
  const [moved, setMoved] = useState<View>();
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    if (frame.current) observer.observe(frame.current);
    return () => observer.disconnect();
  }, []);
  const points = places.map(pointOf);
  const view = moved ?? viewOf(points, width, height);
  const world = tileSize * 2 ** view.zoom;
  const [left, top] = [view.x * world - width / 2, view.y * world - height / 2];
  const move = (right: number, down: number) =>
    setMoved({ ...view, x: view.x + right / world, y: Math.max(0, Math.min(1, view.y + down / world)) });
  const zoomBy = (levels: number) => setMoved({ ...view, zoom: Math.max(0, Math.min(maxZoom, view.zoom + levels)) });
  const keys: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => move(-stepPixels, 0),
    ArrowRight: () => move(stepPixels, 0),
    ArrowUp: () => move(0, -stepPixels),
    ArrowDown: () => move(0, stepPixels),
    '+': () => zoomBy(1),
    '-': () => zoomBy(-1),
  };
  // Taken at the middle of the map; over the area of a company it differs by less than a percent.
  const metresPerPixel = (equatorMetres * Math.cos(Math.atan(Math.sinh(Math.PI * (1 - 2 * view.y))))) / world;
  const scale = scaleLength(metresPerPixel * 160);
  const [buttons, { attribution }] = [
    [
      ['Zoom in', 'plus', () => zoomBy(1)],
      ['Zoom out', 'minus', () => zoomBy(-1)],
      ['Show everybody', 'people', () => setMoved(undefined)],
    ] as const,
    tiles ?? { attribution: '' },
  ];
  const drawn = places.map(({ name, tone }, at) => {
    const { x, y } = points[at] ?? { x: 0, y: 0 };
    return { name, tone, x: x * world - left, y: y * world - top };
  });
  return (
    <div class="map" ref={frame}>
      <svg
        width={width}
        height={height}
        role="img"
        // The arrow keys move the map.
        tabindex={0}
        aria-label={`Map of ${places.length} positions, north up. The arrow keys move it, plus and minus zoom.`}
        onKeyDown={(event) => {
          const act = keys[event.key];
          if (!act) return;
          event.preventDefault();
          act();
        }}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={(event) => {
          if (event.buttons === 1) move(-event.movementX, -event.movementY);
        }}
      >
        {tiles ? (
          <Tiles url={tiles.url} zoom={view.zoom} left={left} top={top} width={width} height={height} />
        ) : (
          <Grid step={scale / metresPerPixel} width={width} height={height} />
        )}
        {drawn.map(({ name, tone, x, y }, at) => (
          <g key={`${name} ${at}`} class={`place ${tone}`}>
            <title>{name}</title>
            <circle cx={x} cy={y} r="8" />
            {!isCovered(drawn, at) && (
              <text x={x > width * 0.7 ? x - 14 : x + 14} y={y + 5} text-anchor={x > width * 0.7 ? 'end' : 'start'}>
                {name}
              </text>
            )}
          </g>
        ))}
        <g class="scale">
          <path d={`M14 ${height - 20}v7h${scale / metresPerPixel}v-7`} />
          <text x="14" y={height - 28}>
            {scale >= 1000 ? `${scale / 1000} km` : `${scale} m`}
          </text>
        </g>
      </svg>
      <div class="map-buttons">
        {buttons.map(([label, icon, act]) => (
          <button key={label} type="button" class="icon-button" aria-label={label} title={label} onClick={act}>
            <Icon name={icon} />
          </button>
        ))}
      </div>
      {attribution !== '' && <p class="map-attribution">{attribution}</p>}
    </div>
  );
}

/** Whether the name of a place would be written over that of one drawn after it, which is newer. */
function isCovered(drawn: readonly { x: number; y: number }[], at: number): boolean {
  const own = drawn[at];
  return (
    own !== undefined && drawn.slice(at + 1).some(({ x, y }) => Math.abs(x - own.x) < 90 && Math.abs(y - own.y) < 18)
  );
}

interface SheetProps {
  width: number;
  height: number;
}

function Grid({ step, width, height }: SheetProps & { step: number }) {
  const lines = (length: number) =>
    Array.from({ length: Math.floor(length / step) + 1 }, (_, at) => ((length / 2) % step) + at * step);
  return (
    <g class="grid">
      {lines(width).map((x) => (
        <path key={x} d={`M${x} 0V${height}`} />
      ))}
      {lines(height).map((y) => (
        <path key={y} d={`M0 ${y}H${width}`} />
      ))}
    </g>
  );
}

interface TilesProps extends SheetProps {
  url: string;
  zoom: number;
  left: number;
  top: number;
}

function Tiles({ url, zoom, left, top, width, height }: TilesProps) {
  const along = (from: number, length: number) => {
    const first = Math.floor(from / tileSize);
    return Array.from({ length: Math.floor((from + length) / tileSize) - first + 1 }, (_, at) => first + at);
  };
  const number = 2 ** zoom;
  return (
    <g class="tiles">
      {along(top, height)
        .filter((row) => row >= 0 && row < number)
        .flatMap((row) =>
          along(left, width).map((column) => (
            <image
              key={`${zoom} ${column} ${row}`}
              href={tileAddress(url, zoom, ((column % number) + number) % number, row)}
              x={column * tileSize - left}
              y={row * tileSize - top}
              width={tileSize}
              height={tileSize}
            />
          )),
        )}
    </g>
  );
}

/** The longest of 1, 2 or 5 times a power of ten metres that is not longer than `metres`. */
function scaleLength(metres: number): number {
  const power = 10 ** Math.floor(Math.log10(metres));
  return ([5, 2, 1].find((each) => each * power <= metres) ?? 1) * power;
}
