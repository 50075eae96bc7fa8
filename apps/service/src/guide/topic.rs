//! Topics by which people look for matters.

/// A topic: its name in lists of matters, and its message key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: &'static str,
    pub key: &'static str,
}

const fn topic(name: &'static str, key: &'static str) -> Topic {
    Topic { name, key }
}

/// Topics of natural persons (面向自然人).
pub const USER_TOPICS: [Topic; 29] = [
    topic("生育收养", "service-topic-birth"),
    topic("户籍办理", "service-topic-household"),
    topic("民族宗教", "service-topic-ethnic"),
    topic("教育科研", "service-topic-education"),
    topic("入伍服役", "service-topic-military"),
    topic("就业创业", "service-topic-work"),
    topic("设立变更", "service-topic-establish"),
    topic("准营准办", "service-topic-operate"),
    topic("职业资格", "service-topic-qualification"),
    topic("婚姻登记", "service-topic-marriage"),
    topic("优待抚恤", "service-topic-care"),
    topic("规划建设", "service-topic-planning"),
    topic("住房保障", "service-topic-housing"),
    topic("社会保障", "service-topic-social"),
    topic("证件办理", "service-topic-documents"),
    topic("交通出行", "service-topic-traffic"),
    topic("旅游观光", "service-topic-tourism"),
    topic("出境入境", "service-topic-border"),
    topic("消费维权", "service-topic-consumer"),
    topic("公共安全", "service-topic-safety"),
    topic("司法公证", "service-topic-justice"),
    topic("知识产权", "service-topic-intellectual"),
    topic("环保绿化", "service-topic-environment"),
    topic("文化体育", "service-topic-culture"),
    topic("公用事业", "service-topic-utilities"),
    topic("医疗卫生", "service-topic-health"),
    topic("离职退休", "service-topic-retirement"),
    topic("死亡殡葬", "service-topic-death"),
    topic("其他", "service-topic-other"),
];

/// Topics of legal persons (面向法人).
pub const CORP_TOPICS: [Topic; 33] = [
    topic("设立变更", "service-topic-establish"),
    topic("准营准办", "service-topic-operate"),
    topic("资质认证", "service-topic-accreditation"),
    topic("年检年审", "service-topic-annual"),
    topic("税收财务", "service-topic-tax"),
    topic("人力资源", "service-topic-staff"),
    topic("社会保障", "service-topic-social"),
    topic("投资审批", "service-topic-investment"),
    topic("融资信贷", "service-topic-credit"),
    topic("抵押质押", "service-topic-mortgage"),
    topic("商务贸易", "service-topic-trade"),
    topic("招标拍卖", "service-topic-tender"),
    topic("海关口岸", "service-topic-customs"),
    topic("涉外服务", "service-topic-foreign"),
    topic("农林牧渔", "service-topic-farming"),
    topic("国土和规划建设", "service-topic-land"),
    topic("交通运输", "service-topic-transport"),
    topic("环保绿化", "service-topic-environment"),
    topic("应急消防", "service-topic-fire"),
    topic("医疗卫生", "service-topic-health"),
    topic("科技创新", "service-topic-science"),
    topic("文体教育", "service-topic-sport"),
    topic("知识产权", "service-topic-intellectual"),
    topic("民族宗教", "service-topic-ethnic"),
    topic("质量技术", "service-topic-quality"),
    topic("检验检疫", "service-topic-quarantine"),
    topic("安全生产", "service-topic-work-safety"),
    topic("公安消防", "service-topic-police"),
    topic("司法公证", "service-topic-justice"),
    topic("公用事业", "service-topic-utilities"),
    topic("法人注销", "service-topic-closing"),
    topic("档案文物", "service-topic-archives"),
    topic("其他", "service-topic-other"),
];
