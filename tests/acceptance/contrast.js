// The texts on the page that are too pale for WCAG 2.2 AA (4.5 : 1), each with its contrast; run by test_page.py.
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (channels) => {
    const [red, green, blue] = channels.slice(0, 3).map((each) => {
      const share = each / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (node) => {
    const card = node.closest("g")?.querySelector(":scope > .card");
    if (card) return rgba(getComputedStyle(card).fill);
    for (let each = node; each; each = each.parentElement) {
      const color = rgba(getComputedStyle(each).backgroundColor);
      if (color[3] === 255) return color;
    }
    return rgba("white");
  };
  const contrast = (node) => {
    const style = getComputedStyle(node);
    const lights = [luminance(rgba(node instanceof SVGElement ? style.fill : style.color)), luminance(behind(node))];
    return (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
  };
  return [...document.querySelectorAll("body *")]
    .filter(
      (node) =>
        node.checkVisibility() &&
        [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim()),
    )
    .filter((node) => contrast(node) < 4.5)
    .map((node) => `${node.textContent.trim().slice(0, 40)} (${contrast(node).toFixed(2)})`);
};
