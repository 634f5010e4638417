const value = cell => {
  const text = cell.textContent.trim();
  return /^[\d,]+$/.test(text) ? parseInt(text.replaceAll(',', ''), 10) : text;
};
const compare = (a, b) => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0)
  : typeof a === 'number' ? 1 : -1;
for (const table of document.querySelectorAll('table.s')) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    if (!head.textContent || head.textContent === 'Bytes per scope') return; // bars have no order
    const button = document.createElement('button');
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener('click', () => {
      const now = head.getAttribute('aria-sort');
      const sign = now === 'descending' || (!now && column === 0) ? 1 : -1;
      heads.forEach(other => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', sign > 0 ? 'ascending' : 'descending');
      const body = table.tBodies[0];
      body.append(...[...body.rows].sort((a, b) =>
        sign * compare(value(a.cells[column]), value(b.cells[column]))));
    });
  });
}
for (const command of document.querySelectorAll('pre')) {
  const button = document.createElement('button');
  button.className = 'copy';
  button.textContent = 'Copy';
  command.after(button);
  button.addEventListener('click', async () => {
    getSelection().selectAllChildren(command);
    try { await navigator.clipboard.writeText(command.textContent); }
    catch { document.execCommand('copy'); }
    button.textContent = 'Copied';
  });
}
