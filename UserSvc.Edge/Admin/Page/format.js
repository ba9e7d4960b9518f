const whole = new Intl.NumberFormat("en");
const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const time = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export const count = whole.format;
export const percent = new Intl.NumberFormat("en", { style: "percent", maximumSignificantDigits: 2 }).format;
export const clock = date => time.format(new Date(date));

/** A rate or a latency; null when there were no requests. */
export function figure(value) {
  if (value == null) {
    return "–";
  }
  return value === 0 || value >= 100 ? whole.format(Math.round(value)) : tenths.format(value);
}

/** Seconds, in their two largest units. */
export function duration(seconds) {
  const [s, m, h, d] = [1, 60, 3600, 86400].map(unit => Math.floor(seconds / unit));
  return d ? `${d} d ${h % 24} h` : h ? `${h} h ${m % 60} min` : m ? `${m} min ${s % 60} s` : `${s} s`;
}

export const plural = (n, one) => `${count(n)} ${one}${n === 1 ? "" : "s"}`;
