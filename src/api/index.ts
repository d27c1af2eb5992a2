export { type ConnectedNode, connectNode } from './client/connect.ts'
export { openApi } from './openapi.ts'
export { EVENT_OPERATIONS, OPERATIONS, RAW_OPERATIONS } from './operations/index.ts'
export { type ServedNode, serveNode } from './serve-node.ts'
