/** Signing in, and what is said when a page cannot be given. */
import { type Html, html } from '../html.ts';

/** @param next a path of the console, where to go on */
export function signInPage(next: string, problem: string | undefined): Html {
  return html`<div class="sign-in"><h1>Sign in to the console</h1>
<form method="post" action="/console/sign-in">
<input type="hidden" name="next" value="${next}">
<label for="token">Your console token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required maxlength="512"${problem !== undefined && html` aria-describedby="problem" aria-invalid="true"`} autofocus>
${problem !== undefined && html`<p id="problem" class="bad" role="alert">${problem}</p>`}
<button type="submit">Sign in</button>
</form>
<p class="about">Tokens are in the file that <code>GATEWAY_CONSOLE_TOKEN_FILE</code> names, a line <code>name:token</code> for each person.</p></div>`;
}

export function problemPage(title: string, text: string): Html {
  return html`<div class="title"><h1>${title}</h1></div><p class="empty" role="alert">${text}</p>`;
}
