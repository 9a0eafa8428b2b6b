import { describe, expect, test } from '@jest/globals';
import { html } from './html.js';

describe('html', () => {
  test('escapes every value, in text and in attributes', () => {
    const hostile = `"><script>alert('x')</script>&`;
    expect(html`<p title="${hostile}">${hostile}</p>`.text).toBe('<p title="&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;">&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;</p>');
  });
  test('keeps markup, joins lists, leaves out nothings', () => expect(html`<ul>${[1, '<b>'].map((each) => html`<li>${each}</li>`)}${undefined}${null}${false}</ul>`.text).toBe('<ul><li>1</li><li>&lt;b&gt;</li></ul>'));
});
