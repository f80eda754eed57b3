export { openApiDocument, type OpenApiDocument, type OpenApiOptions } from './openapi.js'
export { createRouter, type RequestHandler, type RouterOptions } from './router.js'
export type { SignIn, UseCases } from './route.js'
