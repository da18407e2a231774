/** Chains that are too long with the last resorts of their zones: what is cut off is the last resort itself, and nobody would know until it is needed. */
import { MAX_ATTEMPTS } from './compile-route.ts';
import type { Alias } from './compiled/alias.ts';
import type { AliasName, ZoneName } from './compiled/names.ts';
import type { Target, Zone } from './compiled/target.ts';
import type { Problem } from './document.ts';

/** Zones that a request may demand: each by itself, and any two of them. */
export function checkChainLengths(
  aliases: ReadonlyMap<AliasName, Alias>,
  zones: ReadonlyMap<ZoneName, Zone>,
  problems: Problem[],
): void {
  const kept = [...zones.values()].filter(({ audit }) => audit === 'inside');
  const resorts = kept.filter(({ lastResort }) => lastResort.length > 0);
  for (const alias of aliases.values()) {
    const tooLong = (demanded: readonly Zone[]): boolean => countIn(alias, demanded) > MAX_ATTEMPTS;
    const told = new Set<Zone>();
    const tell = (demanded: readonly Zone[]): void => {
      for (const zone of demanded) told.add(zone);
      const names = demanded.map(({ name }) => name).join(' and ');
      const message = `has ${countIn(alias, demanded)} targets with the last resort of the zone ${names}${alias.canary === undefined ? '' : ' and its canary'}; at most ${MAX_ATTEMPTS} can be asked: take ${countIn(alias, demanded) - MAX_ATTEMPTS} out, or do without the last resort`;
      problems.push({ at: ['aliases', alias.name, 'chain'], message });
    };
    for (const zone of resorts) if (tooLong([zone])) tell([zone]);
    for (const [index, zone] of kept.entries())
      for (const other of kept.slice(index + 1))
        if (!told.has(zone) && !told.has(other) && tooLong([zone, other])) tell([zone, other]);
  }
}

/** Targets that a request of the alias in these zones may ask, last resorts among them. */
function countIn({ chain, canary, rules }: Alias, demanded: readonly Zone[]): number {
  const names = [...demanded.map(({ name }) => name), ...rules.zones];
  const liesIn = ({ zones }: Target): boolean => names.every((name) => zones.has(name));
  const resort = new Set(demanded.flatMap(({ lastResort }) => lastResort).filter((target) => !chain.includes(target)));
  const asked = [...chain, ...resort, ...(canary === undefined || resort.has(canary.target) ? [] : [canary.target])];
  return asked.filter(liesIn).length;
}
