/// Dates of HTTP fields (RFC 9110 section 5.6.7). Times are whole seconds since 1970-01-01T00:00:00Z.
public enum HTTPDate {
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    /// 0000-01-01 to 9999-12-31T23:59:59: the years that four digits can write.
    private static let writable: ClosedRange<Int64> = -62_167_219_200...253_402_300_799

    /// `Sun, 06 Nov 1994 08:49:37 GMT`: always 29 bytes. Times beyond the years 0 to 9999 are clamped to them.
    public static func format(unixSeconds: Int64) -> [UInt8] {
        let seconds = min(max(unixSeconds, writable.lowerBound), writable.upperBound)
        let day = floorDivide(seconds, 86_400)
        let second = Int(seconds - day * 86_400)
        let (year, month, date) = civil(fromDay: day)
        var text: [UInt8] = []
        text.reserveCapacity(29)
        text.append(contentsOf: days[Int(day + 4 - floorDivide(day + 4, 7) * 7)].utf8)
        text.append(literal: ", ")
        appendTwo(date, to: &text)
        text.append(ASCII.space)
        text.append(contentsOf: months[month - 1].utf8)
        text.append(ASCII.space)
        appendTwo(year / 100, to: &text)
        appendTwo(year % 100, to: &text)
        text.append(ASCII.space)
        appendTwo(second / 3600, to: &text)
        text.append(ASCII.colon)
        appendTwo(second / 60 % 60, to: &text)
        text.append(ASCII.colon)
        appendTwo(second % 60, to: &text)
        text.append(literal: " GMT")
        return text
    }

    /// The time that `text` names in any of the three forms that a recipient must accept: IMF-fixdate, RFC 850,
    /// asctime. Nil when it is none of them, or names a day that does not exist.
    ///
    /// The two-digit years of RFC 850 are read as 1970 to 2069. The name of the weekday is not compared with the date.
    public static func parse(_ text: String) -> Int64? {
        let words = text.utf8.split(whereSeparator: { $0 == ASCII.space }).map { String($0) ?? "" }
        switch words.count {
        case 6 where words[0].hasSuffix(",") && words[5] == "GMT":
            guard days.contains(String(words[0].dropLast())), words[1].utf8.count == 2, words[3].utf8.count == 4 else {
                return nil
            }
            return seconds(year: number(words[3]), month: words[2], day: number(words[1]), time: words[4])
        case 4 where words[0].hasSuffix("day,") && words[3] == "GMT":
            let date = words[1].split(separator: "-", omittingEmptySubsequences: false).map(String.init)
            guard date.count == 3, date[0].utf8.count == 2, date[2].utf8.count == 2 else { return nil }
            let year = number(date[2]).map { $0 < 70 ? $0 + 2000 : $0 + 1900 }
            return seconds(year: year, month: date[1], day: number(date[0]), time: words[2])
        case 5 where days.contains(words[0]):
            guard words[4].utf8.count == 4 else { return nil }
            return seconds(year: number(words[4]), month: words[1], day: number(words[2]), time: words[3])
        default:
            return nil
        }
    }

    private static func seconds(year: Int?, month: String, day: Int?, time: String) -> Int64? {
        guard let year, let day, let index = months.firstIndex(of: month) else { return nil }
        let parts = time.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, parts.allSatisfy({ $0.utf8.count == 2 }), let hour = number(parts[0]),
            let minute = number(parts[1]), let second = number(parts[2])
        else { return nil }
        // 60 is a leap second, which counts as the first second of the next minute.
        guard hour < 24, minute < 60, second <= 60 else { return nil }
        let dayNumber = Self.day(year: year, month: index + 1, date: day)
        let (_, checkedMonth, checkedDate) = civil(fromDay: dayNumber)
        guard day >= 1, checkedMonth == index + 1, checkedDate == day else { return nil }
        return dayNumber * 86_400 + Int64(hour * 3600 + minute * 60 + second)
    }

    /// One to four digits and nothing else.
    private static func number(_ text: String) -> Int? {
        guard (1...4).contains(text.utf8.count), text.utf8.allSatisfy(ASCII.isDigit) else { return nil }
        return Int(text)
    }

    private static func appendTwo(_ number: Int, to text: inout [UInt8]) {
        text.append(UInt8(0x30 + number / 10))
        text.append(UInt8(0x30 + number % 10))
    }

    private static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
        value >= 0 ? value / divisor : -((-value + divisor - 1) / divisor)
    }

    /// Days since 1970-01-01 to the Gregorian date (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    /// Years begin in March there, so that the leap day is the last one.
    private static func civil(fromDay day: Int64) -> (year: Int, month: Int, date: Int) {
        let shifted = day + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let date = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (Int(year), Int(month), Int(date))
    }

    private static func day(year: Int, month: Int, date: Int) -> Int64 {
        let year = Int64(month <= 2 ? year - 1 : year)
        let era = floorDivide(year, 400)
        let yearOfEra = year - era * 400
        let monthFromMarch = Int64(month > 2 ? month - 3 : month + 9)
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + Int64(date) - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}
