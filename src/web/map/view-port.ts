/** What the map shows: degrees around a centre. The world is 360 × 180 of them; `zoom` 1 shows all. */
export interface ViewPort {
  longitude: number
  latitude: number
  zoom: number
}

export const WORLD: ViewPort = { longitude: 0, latitude: 10, zoom: 1 }

export const MAX_ZOOM = 64

/** Height of the map in degrees at zoom 1: nobody sells from the poles. */
const HEIGHT = 150

export const WIDTH = 360

export function sizeOf({ zoom }: ViewPort): { width: number; height: number } {
  return { width: WIDTH / zoom, height: HEIGHT / zoom }
}

/** Keeps a view port on the world. */
export function within({ longitude, latitude, zoom }: ViewPort): ViewPort {
  const kept = Math.min(MAX_ZOOM, Math.max(1, zoom))
  const { width, height } = sizeOf({ longitude, latitude, zoom: kept })
  const clamp = (value: number, limit: number): number => Math.min(limit, Math.max(-limit, value))
  return {
    longitude: clamp(longitude, 180 - width / 2),
    latitude: clamp(latitude, 90 - height / 2),
    zoom: kept
  }
}

/** `west,south,east,north`, as a search takes it. */
export function boundsOf(port: ViewPort): string {
  const { width, height } = sizeOf(port)
  const { longitude, latitude } = port
  return [longitude - width / 2, latitude - height / 2, longitude + width / 2, latitude + height / 2]
    .map((degrees) => degrees.toFixed(4))
    .join(',')
}
