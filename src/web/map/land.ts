import { geoEquirectangular, geoPath } from 'd3-geo'
import { feature } from 'topojson-client'
import world from 'world-atlas/land-110m.json'

/** Outlines of the land as a path whose units are degrees: x is the longitude, y the latitude downwards. */
export function landPath(): string {
  const topology = world as unknown as Parameters<typeof feature>[0]
  const projection = geoEquirectangular()
    .scale(180 / Math.PI)
    .translate([0, 0])
    .precision(0.1)
  return geoPath(projection).digits(1)(feature(topology, 'land')) ?? ''
}
