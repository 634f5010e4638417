// How far two pictures of the page, light and dark, are from the ones kept: each as ROWS x COLUMNS cells
// of mean luminance, which another font changes a little, and another layout much. `pictures` and `kept`
// are what is compared. Left as JSON in #look, with the cells as a picture to keep.
const ROWS = 54, COLUMNS = 24;

function cells(image, left, width) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext('2d');
  context.drawImage(image, -left, 0);
  const sums = Array.from({ length: ROWS * COLUMNS }, () => [0, 0]);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let y = 0; y < canvas.height; y++)
    for (let x = 0; x < width; x++) {
      const at = 4 * (y * width + x);
      const cell = sums[Math.floor(y * ROWS / canvas.height) * COLUMNS + Math.floor(x * COLUMNS / width)];
      cell[0] += 0.2126 * data[at] + 0.7152 * data[at + 1] + 0.0722 * data[at + 2];
      cell[1]++;
    }
  return sums.map(([sum, count]) => sum / count);
}

function drawn(grids) {
  const canvas = document.createElement('canvas');
  canvas.width = COLUMNS * grids.length;
  canvas.height = ROWS;
  const context = canvas.getContext('2d');
  grids.forEach((grid, g) => grid.forEach((cell, i) => {
    const grey = Math.round(cell);
    context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
    context.fillRect(g * COLUMNS + i % COLUMNS, Math.floor(i / COLUMNS), 1, 1);
  }));
  return canvas.toDataURL();
}

function distance(a, b) {
  const differences = a.map((cell, i) => Math.abs(cell - b[i]));
  return { most: Math.max(...differences), mean: differences.reduce((x, y) => x + y) / a.length };
}

addEventListener('load', () => {
  const [before, ...images] = document.images;
  const now = images.map(image => cells(image, 0, image.naturalWidth));
  const look = { picture: drawn(now), distances: [] };
  if (before.naturalWidth === COLUMNS * images.length)
    look.distances = now.map((grid, g) => distance(grid, cells(before, g * COLUMNS, COLUMNS)));
  document.body.innerHTML = '<pre id=look></pre>';
  document.getElementById('look').textContent = JSON.stringify(look);
});
