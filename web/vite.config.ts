import { defineConfig } from 'vite'

// Relative addresses, so that the folder can lie anywhere; one thread reads everything from 'self'.
export default defineConfig({
  base: './',
  publicDir: false,
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
  },
})
