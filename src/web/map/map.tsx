import { useMemo, useRef } from 'preact/hooks'
import type { Listing } from '../client/types.ts'
import { plain } from '../parts/text.tsx'
import { href } from '../router.ts'
import { landPath } from './land.ts'
import { type Place, placesOf, staysTogether } from './places.ts'
import { sizeOf, type ViewPort, WORLD, within } from './view-port.ts'

export interface MapProps {
  listings: readonly Listing[]
  port: ViewPort
  onPort: (port: ViewPort) => void
  /** Called with listings of one mark that the map cannot show apart. */
  onList: (listings: readonly Listing[]) => void
}

/** How far one press of an arrow key goes, as a share of what is shown. */
const STEP = 0.2

/** Where the data comes from. Everything on it can be reached by keyboard, and is in the list beside it, too. */
export function WorldMap({ listings, port, onPort, onList }: MapProps) {
  const land = useMemo(landPath, [])
  const places = useMemo(() => placesOf(listings, port), [listings, port])
  const frame = useRef<SVGSVGElement>(null)
  const drag = useRef<{ x: number; y: number; port: ViewPort } | undefined>(undefined)
  const { width, height } = sizeOf(port)
  const zoomBy = (factor: number): void => onPort(within({ ...port, zoom: port.zoom * factor }))
  const moveBy = (x: number, y: number): void =>
    onPort(
      within({
        ...port,
        longitude: port.longitude + x * width * STEP,
        latitude: port.latitude + y * height * STEP
      })
    )
  const onPointerMove = (event: PointerEvent): void => {
    const { current } = drag
    const shown = frame.current?.getBoundingClientRect()
    if (current === undefined || shown === undefined || shown.width === 0) return
    const degrees = sizeOf(current.port).width / shown.width
    const [x, y] = [event.clientX - current.x, event.clientY - current.y]
    const { longitude, latitude } = current.port
    onPort(within({ ...current.port, longitude: longitude - x * degrees, latitude: latitude + y * degrees }))
  }
  return (
    <section class="map" aria-label="Map">
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset cannot stand for a drawing */}
      <svg
        ref={frame}
        viewBox={`${port.longitude - width / 2} ${-port.latitude - height / 2} ${width} ${height}`}
        preserveAspectRatio="xMidYMid slice"
        aria-label="Map of the listings with a place"
        role="group"
        onPointerDown={(event) => {
          drag.current = { x: event.clientX, y: event.clientY, port }
        }}
        onPointerMove={onPointerMove}
        onPointerUp={() => {
          drag.current = undefined
        }}
        onPointerLeave={() => {
          drag.current = undefined
        }}
      >
        <path class="land" d={land} />
        {places.map((place) => (
          <Mark key={place.listings[0]?.id} place={place} port={port} onPort={onPort} onList={onList} />
        ))}
      </svg>
      <div class="map-tools">
        <button type="button" aria-label="Zoom in" onClick={() => zoomBy(2)}>
          +
        </button>
        <button type="button" aria-label="Zoom out" onClick={() => zoomBy(0.5)}>
          −
        </button>
        <button type="button" aria-label="Move west" onClick={() => moveBy(-1, 0)}>
          ←
        </button>
        <button type="button" aria-label="Move east" onClick={() => moveBy(1, 0)}>
          →
        </button>
        <button type="button" aria-label="Move north" onClick={() => moveBy(0, 1)}>
          ↑
        </button>
        <button type="button" aria-label="Move south" onClick={() => moveBy(0, -1)}>
          ↓
        </button>
        <button type="button" onClick={() => onPort(WORLD)}>
          World
        </button>
      </div>
    </section>
  )
}

interface MarkProps extends Omit<MapProps, 'listings'> {
  place: Place
}

function Mark({ place, port, onPort, onList }: MarkProps) {
  const { longitude, latitude, listings } = place
  const [first] = listings
  if (first === undefined) return null
  const radius = (sizeOf(port).width / 110) * (listings.length > 1 ? 1.6 : 1)
  if (listings.length === 1) {
    const title = plain(first.document.title)
    return (
      <a class="mark" href={href('product', first.id)} aria-label={title}>
        <title>{title}</title>
        <circle cx={longitude} cy={-latitude} r={radius} />
      </a>
    )
  }
  const together = staysTogether(place, port)
  const label = `${listings.length} listings here: ${together ? 'list them' : 'zoom in'}`
  return (
    <a
      class="mark many"
      href={href('market')}
      aria-label={label}
      onClick={(event) => {
        event.preventDefault()
        if (together) onList(listings)
        else onPort(within({ longitude, latitude, zoom: port.zoom * 4 }))
      }}
    >
      <title>{label}</title>
      <circle cx={longitude} cy={-latitude} r={radius} />
      <text x={longitude} y={-latitude} font-size={radius * 1.3} text-anchor="middle" dominant-baseline="central">
        {listings.length}
      </text>
    </a>
  )
}
