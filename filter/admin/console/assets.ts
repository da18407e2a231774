/** The console's two files, read once. */
import { readFileSync } from 'node:fs';

interface Asset {
  readonly type: string;
  readonly text: string;
}

const read = (name: string): string => readFileSync(new URL(`./${name}`, import.meta.url), 'utf8');

let assets: ReadonlyMap<string, Asset> | undefined;

export function assetOf(path: string): Asset | undefined {
  assets ??= new Map([
    ['/console/console.css', { type: 'text/css; charset=utf-8', text: read('console.css') }],
    ['/console/console.js', { type: 'text/javascript; charset=utf-8', text: read('console.js') }],
  ]);
  return assets.get(path);
}
