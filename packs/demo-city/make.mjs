// Writes the people and bodies of the demo city. Everything is made up and the same every time:
//   node packs/demo-city/make.mjs
// Identity numbers have reserved province-level prefixes (xx0000) that were given to nobody;
// names begin with 合成 (synthetic).
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const SIGNS = '0123456789ABCDEFGHJKLMNPQRTUWXY'

// GB 11714: an organisation code's check character.
function orgCheck(body) {
  const weights = [3, 7, 9, 10, 5, 8, 4, 2]
  const sum = weights.reduce((all, weight, i) => all + weight * '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ'.indexOf(body[i]), 0)
  const check = 11 - (sum % 11)
  return check === 10 ? 'X' : check === 11 ? '0' : String(check)
}

// GB 32100: kind 2, region 6, organisation code 9, check character 1.
function uscc(kind, region, number) {
  const body = String(number).padStart(8, '0')
  const code = kind + region + body + orgCheck(body)
  let sum = 0
  let weight = 1
  for (const sign of code) {
    sum += SIGNS.indexOf(sign) * weight
    weight = (weight * 3) % 31
  }
  return code + SIGNS[(31 - (sum % 31)) % 31]
}

// GB 11643: a citizen number's check character.
function citizen(region, birth, sequence) {
  const body = region + birth + String(sequence).padStart(3, '0')
  const weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]
  const sum = weights.reduce((all, weight, i) => all + weight * Number(body[i]), 0)
  return body + '10X98765432'[sum % 11]
}

// A small generator of numbers, the same on every machine.
let state = 20261122
function random(below) {
  state = (state * 1103515245 + 12345) % 2147483648
  return Math.floor((state / 2147483648) * below)
}
const pick = (list) => list[random(list.length)]

const CITY = '321000'
const departments = [
  ['market', '市场监督管理局', 'Market Regulation', '市监'],
  ['urban', '城市管理局', 'Urban Management', '城管'],
  ['fire', '消防救援队', 'Fire and Rescue', '消防'],
  ['tobacco', '烟草专卖局', 'Tobacco Monopoly', '烟草'],
  ['police', '公安局', 'Public Security', '公安'],
  ['social', '人力资源和社会保障局', 'Human Resources and Social Security', '人社'],
  ['health', '卫生健康委员会', 'Health Commission', '卫健'],
  ['housing', '住房和城乡建设局', 'Housing and Construction', '住建'],
]
const places = [
  [CITY, 'city', '云港市', 'Yungang'],
  ['321002', 'd1', '云港市甲区', 'Yungang District A'],
  ['321003', 'd2', '云港市乙区', 'Yungang District B'],
]

const organisations = []
let serial = 99000001
places.forEach(([region, key, zh, en], at) => {
  const government = { key: `${key}-gov`, code: uscc('11', region, serial++), parent: at ? organisations[0].code : null, region, zh: `${zh}人民政府（合成）`, en: `${en} Government (synthetic)`, short: zh }
  organisations.push(government)
  organisations.push({ key: `${key}-hall`, code: uscc('12', region, serial++), parent: government.code, region, zh: `${zh}政务服务中心（合成）`, en: `${en} Service Hall (synthetic)`, short: '政务中心' })
  for (const [dept, name, english, short] of departments) {
    organisations.push({ key: `${key}-${dept}`, code: uscc('11', region, serial++), parent: government.code, region, zh: `${zh}${name}（合成）`, en: `${en} ${english} (synthetic)`, short })
  }
})
const code = (key) => organisations.find((o) => o.key === key).code

const q = (text) => JSON.stringify(text)
writeFileSync(join(here, 'organisations/city.toml'), '# Made by make.mjs.\n' + organisations.map((o) =>
  `\n[[organisation]] # ${o.key}\ncode = ${q(o.code)}\n${o.parent ? `parent = ${q(o.parent)}\n` : ''}region = ${q(o.region)}\nname_zh = ${q(o.zh)}\nname_en = ${q(o.en)}\nshort_name = ${q(o.short)}\n`).join(''))

const officers = []
const officer = (login, name, ...posts) => officers.push({ login, name: `合成·${name}`, posts })
const city = (dept) => code(`city-${dept}`)
officer('clerk', '窗口员', ['clerk', city('hall')], ['clerk', city('market')], ['clerk', city('urban')], ['clerk', city('fire')], ['clerk', city('tobacco')])
officer('clerk2', '窗口员二', ['clerk', city('hall')], ['clerk', city('market')])
officer('food', '食品审查员', ['examiner', city('market')])
officer('food2', '食品核查员', ['examiner', city('market')])
officer('food-chief', '市监局批准人', ['approver', city('market')])
officer('urban', '城管审查员', ['examiner', city('urban')])
officer('urban-chief', '城管局批准人', ['approver', city('urban')])
officer('fire', '消防审查员', ['examiner', city('fire')])
officer('fire-chief', '消防批准人', ['approver', city('fire')])
officer('tobacco', '烟草审查员', ['examiner', city('tobacco')])
officer('tobacco-chief', '烟草局批准人', ['approver', city('tobacco')])
officer('supervisor', '效能监督员', ['supervisor', city('gov')])
officer('steward', '事项管理员', ['steward', city('gov')], ['steward', city('hall')])
officer('operator', '运维员', ['operator', city('gov')])
officer('security', '安全管理员', ['security', city('gov')])
officer('auditor', '审计管理员', ['auditor', city('gov')])
for (const [, key] of places) {
  for (const [dept, , , short] of departments) {
    if (key === 'city' && ['market', 'urban', 'fire', 'tobacco'].includes(dept)) continue
    officer(`${key}-${dept}-clerk`, `${short}窗口员`, ['clerk', code(`${key}-${dept}`)])
    officer(`${key}-${dept}-examiner`, `${short}审查员`, ['examiner', code(`${key}-${dept}`)])
    officer(`${key}-${dept}-approver`, `${short}批准人`, ['approver', code(`${key}-${dept}`)])
  }
}
// Who looks after a department's data and its machines.
for (const [dept, , , short] of departments) {
  officer(`city-${dept}-steward`, `${short}数据管理员`, ['steward', city(dept)], ['operator', city(dept)])
}
writeFileSync(join(here, 'officers/city.toml'), '# Made by make.mjs. The password is for the demo only.\npassword = "Yungang-demo-1"\n' + officers.map((o) =>
  `\n[[officer]]\nlogin = ${q(o.login)}\nname = ${q(o.name)}\nposts = [\n${o.posts.map(([post, org]) => `  { post = ${q(post)}, org = ${q(org)} },\n`).join('')}]\n`).join(''))

const surnames = '张王李赵刘陈杨黄周吴徐孙马朱胡郭何林高罗'
const numerals = '一二三四五六七八九十'
const prefixes = ['320000', '310000', '330000', '340000', '370000']
const streets = ['示范路', '演示街', '样例巷', '合成大道']
const address = () => `云港市${pick(['甲区', '乙区'])}${pick(streets)}${1 + random(200)}号`
const logins = ['zhang', 'wang', 'li', 'zhao']
const citizens = []
for (let i = 0; i < 300; i++) {
  const name = `合成·${surnames[i % 20]}${i < 20 ? '' : numerals[Math.floor(i / 20) % 10]}${numerals[i % 10]}`
  const birth = `${1955 + random(48)}${String(1 + random(12)).padStart(2, '0')}${String(1 + random(28)).padStart(2, '0')}`
  citizens.push({ code: citizen(pick(prefixes), birth, 1 + random(998)), name, phone: `1990000${String(i).padStart(4, '0')}`, address: address(), login: logins[i] })
}
const trades = ['餐饮店', '面馆', '火锅店', '茶餐厅', '小吃店', '商贸有限公司', '科技有限公司', '便利店']
const firms = []
for (let i = 0; i < 80; i++) {
  const kind = i % 4 === 3 ? '92' : '91'
  const trade = i === 0 ? '餐饮管理有限公司' : trades[i % trades.length]
  firms.push({ code: uscc(kind, pick(['321002', '321003']), 99100001 + i), name: `合成·示范${i + 1}号${trade}`, phone: `1990001${String(i).padStart(4, '0')}`, address: address(), representative: citizens[i].code })
}
const people = citizens.map((c) => `\n[[citizen]]\ncode = ${q(c.code)}\nname = ${q(c.name)}\nphone = ${q(c.phone)}\naddress = ${q(c.address)}\n${c.login ? `login = ${q(c.login)}\n` : ''}`)
const bodies = firms.map((f) => `\n[[firm]]\ncode = ${q(f.code)}\nname = ${q(f.name)}\nphone = ${q(f.phone)}\naddress = ${q(f.address)}\nrepresentative = ${q(f.representative)}\n`)
const agents = `\n[[agent]]\nparty = ${q(firms[0].code)}\nlogin = "wang"\nscope = ""\n`
writeFileSync(join(here, 'parties/city.toml'), '# Made by make.mjs. The password is for the demo only.\npassword = "Yungang-demo-1"\n' + people.join('') + bodies.join('') + agents)

console.log(Object.fromEntries(organisations.slice(0, 10).map((o) => [o.key, o.code])))
