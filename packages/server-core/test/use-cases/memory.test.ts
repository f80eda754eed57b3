import { useCases } from './index.js'
import { memoryBackend } from './memory-backend.js'

useCases('memory', async () => memoryBackend(), { histories: 300 })
