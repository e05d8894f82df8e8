// All words of the page in both languages. A value is a text, or a function of what belongs into it.

const iso = (value) => `\u2068${value}\u2069`; // isolated: a number or a path keeps its own direction

const arCount = (n, one, two, few, many) =>
  n === 1 ? one : n === 2 ? two : n % 100 >= 3 && n % 100 <= 10 ? `${iso(n)} ${few}` : `${iso(n)} ${many}`;

export const WORDS = {
  en: {
    skip: "Skip to the content", connecting: "connecting", live: "live", lost: "connection lost, trying again",
    theme: "Theme", theme_auto: "Theme: system", theme_light: "Theme: light", theme_dark: "Theme: dark",
    sign_in: "Sign in", sign_out: "Sign out", token: "Token", wrong: "That is not the token.", wait: "Too many wrong tokens; wait a minute.",
    sign_text: "The token is what WATCHDOG_WEB_TOKEN was set to where the page was started.",
    must_sign: "This page needs the token before it shows anything.",
    restart: "Restart", pause: "Pause", resume: "Resume", stop: "Stop", cancel: "Cancel", how_long: "For how long?",
    ask_restart: (n) => `Stop ${n} and start it again?`, ask_stop: (n) => `Stop ${n} and its watchdog? This page cannot start them again.`,
    ask_pause: (n) => `While paused, ${n} goes on running, but nothing is restarted and nobody is alerted.`, ask_resume: (n) => `Watch ${n} again?`,
    for_10m: "10 minutes", for_1h: "1 hour", for_8h: "8 hours", for_ever: "until resumed",
    doing: "Working on it…", done: "Done.", failed: (why) => `That did not work: ${why}`, unreachable: "the page does not answer",
    uptime: "Up for", beat: "Last sign of life", restarts: "Restarts", memory: "Memory", cpu: "CPU", up24: "Up in 24 h",
    ago: (t) => `${t} ago`, none_yet: "none yet", of: (n, cap) => `${n} of ${cap}`, total: (n) => `${n} in total`,
    no_limit: (n) => `${n}, no limit`, left: "time left until it counts as frozen",
    next_start: (t) => `Next start in ${t}.`, pause_ends: (t) => `The pause ends in ${t}.`,
    day: "The last 24 hours", events: "What happened", nothing: "Nothing yet.",
    k_up: "up", k_down: "down", k_planned: "stopped on purpose", k_standby: "standing by", k_unknown: "nobody watched",
    p_24h: "Uptime 24 h", p_7d: "Uptime 7 d", p_30d: "Uptime 30 d", p_mtbf: "Between failures", p_mttr: "To repair", p_longest: "Longest outage",
    p_growth: "Memory grows", per_hour: (s) => `${s} per hour`, hours_ago: (n) => (n ? `${n} h ago` : "now"), unknown: "unknown",
    charts: "Memory, CPU, heartbeat", s_now: "15 minutes", s_day: "24 hours", beat_age: "Silence before each sign of life",
    tokens: "Tokens", t_token: "Token", t_price: "Price", t_rise: "Change", t_most: "Highest", t_line: "Course",
    t_count: (n, shown) => (n === null ? "too many to show here" : n > shown ? `${shown} of ${n}, highest first` : `${n}`),
    t_low: "low liquidity", t_stopped: "no longer watched",
    log: "Log", filter: "Show only lines with", filter_hint: "Filter", follow: "Follow", no_log: "It has printed nothing yet.", log_gap: "… lines are missing here: the log grew faster than it could be shown …",
    incidents: "Incidents", everyone: "All watchdogs of this user", this_one: "shown here",
    as_data: "Status as data", as_text: "Log as text", as_metrics: "Metrics",
    a_command: "Command", a_program: "Program", a_watchdog: "Watchdog", a_folder: "Folder", a_backups: "Backups", a_log: "Log", a_seen: "Last seen",
    a_keepalive: "Keep-alive", pid: (n) => `pid ${n}`, keepalive: (p, good, all) => `${p} % (${good} of ${all})`, keepalive_none: "no call yet",
    f_active: "Active tokens", f_total: "All tokens", f_save: "Last save",
    "state running": "Running", "state stopping": "Stopping", "state waiting": "Waiting to start", "state paused": "Paused", "state standing by": "Standing by",
    "state stopped": "Stopped", "state gave up": "Gave up", "state unknown": "Unknown",
    "health healthy": "healthy", "health degraded": "degraded", "health starting": "starting", "health stale": "silent for too long",
    "health no heartbeat": "no heartbeat", "health paused": "paused", "health standing by": "another machine runs it", "health unsupervised": "nobody watches it",
    "health watchdog frozen": "its watchdog is frozen", "health unknown": "unknown",
    u: { d: "d", h: "h", m: "min", s: "s", day: "d" }, between: " · ",
    fact: null, // the sentences of the watchdog itself are in English
  },
  ar: {
    skip: "تخطَّ إلى المحتوى", connecting: "جارٍ الاتصال", live: "مباشر", lost: "انقطع الاتصال، تُعاد المحاولة",
    theme: "المظهر", theme_auto: "المظهر: كالنظام", theme_light: "المظهر: فاتح", theme_dark: "المظهر: داكن",
    sign_in: "تسجيل الدخول", sign_out: "تسجيل الخروج", token: "رمز الدخول", wrong: "رمز الدخول غير صحيح.", wait: "محاولات خاطئة كثيرة؛ انتظر دقيقة.",
    sign_text: `رمز الدخول هو قيمة ${iso("WATCHDOG_WEB_TOKEN")} حيث شُغِّلت هذه الصفحة.`,
    must_sign: "لا تعرض هذه الصفحة شيئًا قبل إدخال رمز الدخول.",
    restart: "إعادة التشغيل", pause: "إيقاف مؤقت", resume: "استئناف", stop: "إيقاف", cancel: "إلغاء", how_long: "ما المدة؟",
    ask_restart: (n) => `هل تريد إيقاف ${iso(n)} وتشغيله من جديد؟`, ask_stop: (n) => `هل تريد إيقاف ${iso(n)} ومراقبه؟ لا يمكن تشغيلهما من هذه الصفحة.`,
    ask_pause: (n) => `أثناء التوقف المؤقت يستمر ${iso(n)} في العمل، لكن لا يُعاد تشغيل شيء ولا تُرسل تنبيهات.`, ask_resume: (n) => `هل تُستأنف مراقبة ${iso(n)}؟`,
    for_10m: "10 دقائق", for_1h: "ساعة واحدة", for_8h: "8 ساعات", for_ever: "حتى الاستئناف",
    doing: "جارٍ التنفيذ…", done: "تمّ.", failed: (why) => `لم ينجح ذلك: ${iso(why)}`, unreachable: "الصفحة لا تستجيب",
    uptime: "يعمل منذ", beat: "آخر نبضة", restarts: "مرات إعادة التشغيل", memory: "الذاكرة", cpu: "المعالج", up24: "العمل خلال 24 ساعة",
    ago: (t) => `قبل ${iso(t)}`, none_yet: "لا شيء بعد", of: (n, cap) => `${iso(n)} من ${iso(cap)}`, total: (n) => `المجموع ${iso(n)}`,
    no_limit: (n) => `${iso(n)} بلا حدّ`, left: "الوقت المتبقي قبل اعتباره متجمّدًا",
    next_start: (t) => `التشغيل التالي بعد ${iso(t)}.`, pause_ends: (t) => `ينتهي التوقف المؤقت بعد ${iso(t)}.`,
    day: "آخر 24 ساعة", events: "ما الذي حدث", nothing: "لا شيء بعد.",
    k_up: "يعمل", k_down: "متعطّل", k_planned: "متوقف عن قصد", k_standby: "في وضع الاستعداد", k_unknown: "لم يراقبه أحد",
    p_24h: "العمل في 24 ساعة", p_7d: "العمل في 7 أيام", p_30d: "العمل في 30 يومًا", p_mtbf: "بين الأعطال", p_mttr: "مدة الإصلاح", p_longest: "أطول انقطاع",
    p_growth: "الذاكرة تنمو", per_hour: (s) => `${iso(s)} في الساعة`, hours_ago: (n) => (n ? `قبل ${iso(n)} س` : "الآن"), unknown: "غير معروف",
    charts: "الذاكرة والمعالج والنبض", s_now: "15 دقيقة", s_day: "24 ساعة", beat_age: "الصمت قبل كل نبضة",
    tokens: "العملات", t_token: "العملة", t_price: "السعر", t_rise: "التغيّر", t_most: "الأعلى", t_line: "المسار",
    t_count: (n, shown) => (n === null ? "أكثر من أن تُعرض هنا" : n > shown ? `${iso(shown)} من ${iso(n)}، الأعلى أولًا` : iso(n)),
    t_low: "سيولة منخفضة", t_stopped: "لم تعد تُراقب",
    log: "السجلّ", filter: "أظهر الأسطر التي فيها فقط", filter_hint: "تصفية", follow: "متابعة", no_log: "لم يكتب شيئًا بعد.", log_gap: "… هنا أسطر ناقصة: كبر السجلّ أسرع مما يمكن عرضه …",
    incidents: "الحوادث", everyone: "كل المراقبين لهذا المستخدم", this_one: "معروض هنا",
    as_data: "الحالة كبيانات", as_text: "السجلّ كنصّ", as_metrics: "القياسات",
    a_command: "الأمر", a_program: "البرنامج", a_watchdog: "المراقب", a_folder: "المجلد", a_backups: "النسخ الاحتياطية", a_log: "السجلّ", a_seen: "آخر ظهور",
    a_keepalive: "نداء الإبقاء", pid: (n) => `العملية ${iso(n)}`, keepalive: (p, good, all) => `${iso(`${p}%`)} (${iso(good)} من ${iso(all)})`, keepalive_none: "لم يُجرَ نداء بعد",
    f_active: "العملات النشطة", f_total: "كل العملات", f_save: "آخر حفظ",
    "state running": "يعمل", "state stopping": "قيد الإيقاف", "state waiting": "ينتظر التشغيل", "state paused": "متوقف مؤقتًا", "state standing by": "في وضع الاستعداد",
    "state stopped": "متوقف", "state gave up": "توقفت المحاولات", "state unknown": "غير معروف",
    "health healthy": "سليم", "health degraded": "يعمل بصعوبة", "health starting": "قيد البدء", "health stale": "صامت منذ وقت طويل",
    "health no heartbeat": "بلا نبض", "health paused": "متوقف مؤقتًا", "health standing by": "يعمل على جهاز آخر", "health unsupervised": "لا أحد يراقبه",
    "health watchdog frozen": "مراقبه متجمّد", "health unknown": "غير معروف",
    u: { d: "ي", h: "س", m: "د", s: "ث", day: "ي" }, between: " · ",
    fact: {
      spawned: (f) => `بدأ التشغيل رقم ${iso(f.number)}، العملية ${iso(f.pid)}`,
      adopted: (f) => `تولّى المراقب البرنامج العامل، العملية ${iso(f.pid)}، دون انقطاع`,
      healthy: () => "أول علامة حياة", recovered: () => "عاد سليمًا",
      "no-heartbeat": () => "لا نبض: لن يُلاحظ التجمّد، بل التوقف فقط",
      hang: (f, t) => `تجمّد؛ لا علامة جيدة منذ ${iso(t(f.silent_s))}؛ يجري استبداله`,
      memory: () => "استهلك ذاكرة أكثر من المسموح؛ يجري استبداله",
      stopping: () => "طُلب من البرنامج أن ينتهي", killing: () => "لم ينتهِ عند الطلب؛ يُنهى قسرًا",
      "left-behind": (f) => `ترك وراءه ${arCount(f.count, "عملية واحدة", "عمليتين", "عمليات", "عملية")}؛ تُنهى أولًا`,
      ended: (f, t) => `انتهى: ${CAUSES_AR[f.cause]?.(f) ?? iso(f.cause)}، بعد ${iso(t(f.lived_s))}`,
      "spawn-failed": (f) => `تعذّر تشغيل البرنامج: ${iso(f.reason)}`,
      restarting: (f, t) => `يُعاد التشغيل بعد ${iso(t(f.delay_s))}`,
      "gave-up": (f) => `توقفت المحاولات: لم تنفع ${arCount(f.restarts, "إعادة تشغيل واحدة", "إعادتا تشغيل", "إعادات تشغيل", "إعادة تشغيل")}`,
      paused: () => "إيقاف مؤقت: لا يُعاد تشغيل شيء", resumed: () => "استُؤنفت المراقبة",
      "own-pause": () => "كان المراقب نفسه متجمّدًا؛ أُعطي البرنامج مهلته كاملة من جديد",
      "standing-by": () => "في وضع الاستعداد: يبدأ البرنامج هنا حين يحمل هذا المراقب القفل",
      "lease-gained": (f) => f.before ? `يحمل القفل الآن؛ لم يكن ${iso(f.before)} قد سلّمه` : "يحمل القفل الآن",
      "lease-renewed": () => "جُدِّد القفل من جديد؛ لم يحمله أحد غيره في أثناء ذلك",
      "lease-elsewhere": (f) => `يحمل القفل ${iso(f.holder)}`,
      "lease-cut-off": () => "لا طريق إلى القفل: لم يكن هذا الجهاز ليستطيع أن يتولّى، وربّما لا يعمل البرنامج في أيّ مكان",
      "lease-lost": () => "فقد القفل؛ يجب أن ينتهي البرنامج هنا",
      "lease-doubtful": () => "لم يُجدَّد القفل في الوقت المناسب وقد ينتقل إلى جهاز آخر؛ يبقى البرنامج يعمل كما تقول lease-lost",
      finished: (f) => `انتهى المراقب برمز الخروج ${iso(f.exit_code)}`,
    },
  },
};

const CAUSES_AR = {
  exit: (f) => `رمز الخروج ${iso(f.exit_code)}`, signal: (f) => `أُنهي بالإشارة ${iso(/\bSIG[A-Z0-9]+/.exec(f.text ?? "")?.[0] ?? f.signal)}`, unknown: () => "رمز الخروج غير معروف",
  unseen: () => "انتهى دون أن يراقبه أحد",
  hang: () => "تجمّد (صمت نبضه)", "never-beat": () => "تجمّد (لم تصدر عنه أي علامة حياة)", "no-progress": () => "تجمّد (ينبض بلا تقدّم)",
  memory: () => "استهلك ذاكرة كثيرة", spawn: () => "تعذّر تشغيله", background: () => "نقل نفسه إلى الخلفية",
  lease: () => "انتهت مدّة القفل هنا", "asked-stop": () => "أُوقف بطلب", "asked-restart": () => "أُعيد تشغيله بطلب",
};

// What is known of an end, in the language of the page; in the watchdog's own words where it has none.
export function causeText(record) {
  const make = language === "ar" ? CAUSES_AR[record.cause] : null;
  return make ? make(record) : null;
}

let language = document.documentElement.lang === "ar" ? "ar" : "en";
export const current = () => language;
export const locale = () => (language === "ar" ? "ar-u-nu-latn" : "en-GB");

export function setLanguage(next) {
  language = next;
  document.documentElement.lang = next;
  document.documentElement.dir = next === "ar" ? "rtl" : "ltr";
  document.cookie = `watchdog_lang=${next}; path=/; max-age=31536000; samesite=strict`;
}

export function say(key, ...values) {
  const found = WORDS[language][key] ?? WORDS.en[key] ?? key;
  return typeof found === "function" ? found(...values) : found;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  const u = WORDS[language].u;
  const s = Math.max(0, seconds);
  if (s < 60) return `${Math.floor(s)} ${u.s}`;
  if (s < 3600) return `${Math.floor(s / 60)} ${u.m}${s < 600 && Math.floor(s % 60) ? ` ${Math.floor(s % 60)} ${u.s}` : ""}`;
  if (s < 86400) return `${Math.floor(s / 3600)} ${u.h} ${Math.floor((s % 3600) / 60)} ${u.m}`;
  return `${Math.floor(s / 86400)} ${u.d} ${Math.floor((s % 86400) / 3600)} ${u.h}`;
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const names = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes, step = 0;
  while (value >= 1000 && step < names.length - 1) { value /= 1000; step += 1; }
  return `${value >= 100 || step === 0 ? Math.round(value) : value.toFixed(1)} ${names[step]}`;
}

export function percent(value, digits = 1) {
  return value === null || value === undefined ? "–" : `${value.toFixed(digits)} %`;
}

export function change(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  const text = size >= 10000 ? size.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 }) : size.toFixed(size < 10 ? 2 : 1);
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${text} %`;
}

export function uptimePercent(value) {
  // Never rounded up: 100 % means 100 %.
  if (value === null || value === undefined) return say("unknown");
  return `${String(Math.floor(value * 1000 + 1e-6) / 1000)} %`;
}

export function fullPrice(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 1e15 || (value > 0 && value < 1e-15)) return value.toExponential(3); // beyond all measure
  const limits = value >= 1 ? { maximumFractionDigits: 4 } : { maximumSignificantDigits: 4, maximumFractionDigits: 20 };
  return value.toLocaleString("en", limits);
}

export function price(value) {
  // As traders write it: 0.0₆1235 has six zeros behind the point.
  const text = fullPrice(value), zeros = /^0\.(0{4,})/.exec(text)?.[1].length;
  if (!zeros) return text;
  const small = [...String(zeros)].map((digit) => String.fromCodePoint(0x2080 + Number(digit))).join("");
  return `0.0${small}${text.slice(2 + zeros)}`;
}

export function clock(at) {
  const when = new Date(at);
  if (Number.isNaN(when.getTime())) return String(at ?? "");
  const time = when.toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
  if (when.toDateString() === new Date().toDateString()) return time;
  return `${when.toLocaleDateString(locale(), { day: "numeric", month: "short" })} ${time}`;
}

export function factText(fact) {
  const make = WORDS[language].fact?.[fact.fact];
  return make ? make(fact, duration) : String(fact.text ?? fact.fact);
}
