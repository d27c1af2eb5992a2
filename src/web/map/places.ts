import type { Listing } from '../client/types.ts'
import { MAX_ZOOM, sizeOf, type ViewPort } from './view-port.ts'

export interface Place {
  longitude: number
  latitude: number
  listings: Listing[]
}

/** Places closer than this share of the map's width are one mark. */
const CELL = 1 / 40

/** The point of a listing, or the middle of its area. */
export function pointOf({ document: { spatial } }: Listing): readonly [number, number] | undefined {
  if (spatial?.point !== undefined) return spatial.point
  if (spatial?.bbox === undefined) return undefined
  const [west, south, east, north] = spatial.bbox
  return [(west + east) / 2, (south + north) / 2]
}

/** Listings with a place, those that lie together as one. */
export function placesOf(listings: readonly Listing[], port: ViewPort): Place[] {
  const cell = sizeOf(port).width * CELL
  const places = new Map<string, Place>()
  for (const listing of listings) {
    const point = pointOf(listing)
    if (point === undefined) continue
    const [longitude, latitude] = point
    const key = `${Math.round(longitude / cell)} ${Math.round(latitude / cell)}`
    const known = places.get(key)
    if (known === undefined) places.set(key, { longitude, latitude, listings: [listing] })
    else known.listings.push(listing)
  }
  return [...places.values()]
}

/** Whether the map cannot show them apart, however near one goes. */
export function staysTogether({ listings }: Place, { zoom }: ViewPort): boolean {
  const points = new Set(listings.map((listing) => pointOf(listing)?.join(' ')))
  return zoom >= MAX_ZOOM || points.size === 1
}
