import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Listing } from '../../../src/web/client/types.ts'
import { placesOf, staysTogether } from '../../../src/web/map/places.ts'
import { MAX_ZOOM, WORLD } from '../../../src/web/map/view-port.ts'

function listing(id: string, point: [number, number]): Listing {
  const given: unknown = { id, document: { spatial: { point } } }
  return given as Listing
}

test('listings at one point are told from those that the map shows apart further in', () => {
  const [place, ...others] = placesOf([listing('a', [11.5, 48]), listing('b', [11.5, 48])], WORLD)
  assert.ok(place !== undefined && others.length === 0)
  assert.ok(staysTogether(place, WORLD))
  const near = { ...place, listings: [...place.listings, listing('c', [11.6, 48])] }
  assert.ok(!staysTogether(near, WORLD))
  assert.ok(!staysTogether(near, { ...WORLD, zoom: MAX_ZOOM / 2 }))
  assert.ok(staysTogether(near, { ...WORLD, zoom: MAX_ZOOM }), 'one cannot go nearer')
})
