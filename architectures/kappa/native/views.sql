-- The served views, over the tables of one version.
create or replace view anomalies as
select transaction_id, rule, customer_id, event_time, amount_paise, balance_paise, window_start from anomalies_@version@;

create or replace view customer_windows as
select customer_id, window_start, transactions, amount_paise, max_balance_paise from customer_windows_@version@;

-- All in exact arithmetic: numeric division cuts digits, so the average is rounded to paise in integers first.
create or replace view customer_profiles as
select customer_id, transactions::bigint, amount_paise::bigint,
  sign(amount_paise) * div(2 * abs(amount_paise) + transactions, 2 * transactions) * 0.01 as average_amount,
  max_balance_paise, top_location,
  case when amount_paise > @premium_paise@ * transactions then 'premium'
       when transactions > @frequent_count@ then 'frequent'
       else 'standard' end as segment,
  last_event_time
from (
  select customer_id, sum(transactions) as transactions, sum(amount_paise) as amount_paise,
    max(max_balance_paise) as max_balance_paise,
    (array_agg(location order by transactions desc, location) filter (where location <> ''))[1] as top_location,
    max(last_event_time) as last_event_time
  from profile_parts_@version@ group by customer_id) by_customer;
