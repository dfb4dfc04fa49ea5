// What page_looks.py asks of a page.

({
  /** Texts with less contrast than WCAG 2.2 asks for at level AA, each with its contrast. */
  faintTexts() {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (color) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const luminance = (color) => {
      const [r, g, b] = color.slice(0, 3).map((value) => linear(value / 255));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const color = rgba(getComputedStyle(at).backgroundColor);
        if (color[3] > 250) return color;
      }
      return rgba(getComputedStyle(document.body).backgroundColor);
    };
    const ownText = (element) =>
      [...element.childNodes].map((node) => (node.nodeType === Node.TEXT_NODE ? node.data.trim() : "")).join("");
    const isSeen = (element) =>
      element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
      !element.closest(".visually-hidden, .skip, :disabled");
    const isLarge = ({ fontSize, fontWeight }) =>
      parseFloat(fontSize) >= 24 || (parseFloat(fontSize) >= 18.66 && Number(fontWeight) >= 700);
    const faint = [];
    for (const element of document.body.querySelectorAll("*")) {
      if (!ownText(element) || !isSeen(element)) continue;
      const style = getComputedStyle(element);
      const [dark, light] = [luminance(rgba(style.color)), luminance(ground(element))].sort((a, b) => a - b);
      const contrast = (light + 0.05) / (dark + 0.05);
      if (contrast >= (isLarge(style) ? 3 : 4.5)) continue;
      const place = `<${element.localName} class="${element.className}">`;
      faint.push(`${contrast.toFixed(2)}: "${ownText(element).slice(0, 40)}" in ${place}`);
    }
    return faint;
  },

  /** Whether what has the focus, or the card that it stands for, has an outline of two pixels. */
  focusIsSeen() {
    const ring = (element) => {
      const style = element && getComputedStyle(element);
      return style && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    };
    const focused = document.activeElement;
    // A slider draws its ring on its thumb, which no script can read.
    return Boolean(ring(focused) || ring(focused.closest(".card")) || focused.matches("input[type=range]"));
  },

  /** How far what was drawn moved while the page loaded, by the browser's own measure (under 0.1 is good). */
  async shift() {
    let sum = 0;
    const add = (list) => list.getEntries().forEach((entry) => (sum += entry.value));
    new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
    await new Promise((resolve) => setTimeout(resolve, 300));
    return sum;
  },
});
