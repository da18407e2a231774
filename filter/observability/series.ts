/** Series that are found once: prom-client hashes labels at each call, and few combinations of them occur. */

/**
 * @param make for a key that is new. Keys are made of policy names and words of closed sets: the map is as bounded as they are. Their parts are lines,
 *   as a model id may have any other character
 */
export function cached<Series>(make: (key: string) => Series): (key: string) => Series {
  const known = new Map<string, Series>();
  return (key) => {
    let series = known.get(key);
    if (series === undefined) {
      series = make(key);
      known.set(key, series);
    }
    return series;
  };
}

/** For names that others choose: the first `most` have series of their own, all that come later share the one named `other`. */
export function capped<Series>(most: number, make: (key: string) => Series): (key: string) => Series {
  const known = new Map<string, Series>();
  let other: Series | undefined;
  return (key) => {
    const series = known.get(key);
    if (series !== undefined) return series;
    if (key !== OTHER && known.size < most) {
      const made = make(key);
      known.set(key, made);
      return made;
    }
    other ??= make(OTHER);
    return other;
  };
}

const OTHER = 'other';
