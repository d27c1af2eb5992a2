export type {
  RegistryBlocks,
  RegistryComponents,
  RegistryContentRouting,
  RegistryInit,
  RegistryPubSub,
  RegistryService
} from './components.ts'
export { announcementTopic, MAX_DOCUMENT_BYTES } from './constants.ts'
export {
  cidToManifest,
  decodeDocument,
  type EncodedDocument,
  encodeDocument,
  manifestToCid,
  type PostedPrice,
  postedPrice
} from './document.ts'
export { createRegistry } from './registry.ts'
export { listingDocumentSchema } from './schema.ts'
