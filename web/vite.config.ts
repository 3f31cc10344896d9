import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'
import { defineConfig } from 'vite'

/** The runtime, packed here, so that it is the same bytes wherever the page is put together. */
const packed: Plugin = {
  name: 'packed-runtime',
  generateBundle(_, bundle) {
    for (const [name, asset] of Object.entries(bundle)) {
      if (asset.type !== 'asset' || !name.endsWith('.wasm')) continue
      delete bundle[name]
      const source = gzipSync(asset.source, { level: 9 })
      this.emitFile({ type: 'asset', fileName: 'runtime.wasm.gz', source })
    }
  },
}

// Two builds: a folder with relative addresses, and with `--mode single` the parts of one file.
export default defineConfig(({ mode }) => ({
  base: './',
  publicDir: false,
  worker: { format: mode === 'single' ? 'iife' : 'es' },
  plugins: mode === 'single' ? [packed] : [],
  resolve: {
    alias:
      mode === 'single'
        ? [
            {
              find: /^\.\/place\.ts$/,
              replacement: fileURLToPath(new URL('src/app/place_single.ts', import.meta.url)),
            },
          ]
        : [],
  },
  build: {
    target: 'es2022',
    outDir: mode === 'single' ? 'dist/single' : 'dist',
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
  },
}))
