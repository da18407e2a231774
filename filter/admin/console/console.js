// What makes pages live. Everything works without it. A page is read again while somebody looks at it, and its parts that have changed are exchanged in their
// place: focus, scroll and selection stay where they are.

{
  const seconds = Number(document.body.dataset.refresh);
  const link = document.getElementById('refresh');
  const state = document.getElementById('live-state');
  let running = seconds > 0;
  let failures = 0;
  let timer = 0;

  /** A way to find an element again in what takes its place: by its id, or as the nth of its kind with the same words. */
  const placeOf = (element, root) => {
    if (element.id) return () => document.getElementById(element.id);
    const kind = element.localName;
    const words = element.textContent;
    const same = [...root.querySelectorAll(kind)].filter((other) => other.textContent === words).indexOf(element);
    return () =>
      [...root.querySelectorAll(kind)].filter((other) => other.textContent === words)[same] ??
      root.querySelector('[tabindex]');
  };

  const exchange = (old, fresh) => {
    if (old.innerHTML === fresh.innerHTML) return;
    const selection = document.getSelection();
    // Somebody is marking text to copy it: the next look will do.
    if (selection !== null && !selection.isCollapsed && old.contains(selection.anchorNode)) return;
    const focused =
      old.contains(document.activeElement) && document.activeElement !== old
        ? placeOf(document.activeElement, old)
        : undefined;
    const scrolled = [...old.querySelectorAll('.scroll')].map((box) => box.scrollLeft);
    old.replaceChildren(...fresh.childNodes);
    for (const [index, box] of [...old.querySelectorAll('.scroll')].entries()) box.scrollLeft = scrolled[index] ?? 0;
    focused?.()?.focus({ preventScroll: true });
  };

  const look = async () => {
    clearTimeout(timer);
    try {
      const response = await fetch(location.href, { headers: { accept: 'text/html' }, signal: AbortSignal.timeout(20_000) });
      // The session has ended: the page asks to sign in.
      if (response.status === 401) {
        location.reload();
        return;
      }
      const text = await response.text();
      if (!response.ok) throw new Error(String(response.status));
      const fresh = new DOMParser().parseFromString(text, 'text/html');
      for (const part of document.querySelectorAll('[data-live]')) {
        const other = fresh.getElementById(part.id);
        if (other !== null) exchange(part, other);
      }
      // What stood here said that nothing could be shown.
      if (document.querySelectorAll('[data-live]').length < fresh.querySelectorAll('[data-live]').length) {
        location.reload();
        return;
      }
      failures = 0;
      state?.classList.remove('stale');
    } catch {
      failures += 1;
      // What is shown is old, and must not look like now.
      state?.classList.add('stale');
    }
    schedule();
  };

  const schedule = () => {
    clearTimeout(timer);
    if (running && document.visibilityState === 'visible')
      timer = setTimeout(look, Math.min(seconds * 2 ** failures, 60) * 1000);
  };

  if (link !== null) {
    link.setAttribute('role', 'button');
    link.addEventListener('click', (event) => {
      event.preventDefault();
      void look();
    });
    link.addEventListener('keydown', (event) => {
      if (event.key !== ' ') return;
      event.preventDefault();
      void look();
    });
    if (seconds > 0) {
      const pause = document.createElement('button');
      pause.type = 'button';
      const tell = () => {
        pause.textContent = running ? 'Pause' : 'Go on';
        state?.classList.toggle('paused', !running);
      };
      pause.addEventListener('click', () => {
        running = !running;
        tell();
        if (running) void look();
        else clearTimeout(timer);
      });
      tell();
      link.after(' ', pause);
    }
    document.addEventListener('visibilitychange', () => {
      if (running && document.visibilityState === 'visible') void look();
    });
    schedule();
  }

  document.addEventListener('keydown', (event) => {
    // Not a character alone (WCAG 2.1.4): speech input, and a hand that slips, would go there.
    if (event.key !== '/' || !(event.ctrlKey || event.metaKey) || event.altKey) return;
    event.preventDefault();
    const search = document.getElementById('f-request');
    if (search === null) location.assign('/console/audit#f-request');
    else search.focus();
  });
  if (location.hash === '#f-request') document.getElementById('f-request')?.focus();
}
