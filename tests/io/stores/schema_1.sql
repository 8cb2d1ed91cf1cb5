BEGIN TRANSACTION;
CREATE TABLE crm_alias (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	former_id TEXT NOT NULL, 
	survivor_id TEXT NOT NULL, 
	at TEXT NOT NULL, 
	merge_id TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_alias" VALUES('01a201ca-ef78-7a95-879c-39253de792ba',NULL,'{}','[]','{}','x','x','x','2025-01-31T12:00:00.000000Z',NULL);
CREATE TABLE crm_business_calendar (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	tz TEXT NOT NULL, 
	hours TEXT NOT NULL, 
	special_days TEXT NOT NULL, 
	name TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_business_calendar" VALUES('01a201ca-ef79-70b6-9343-eed646a8aaf8',NULL,'{}','[]','{}','x','[]','[]',NULL);
CREATE TABLE crm_campaign (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	name TEXT NOT NULL, 
	channel TEXT, 
	segment TEXT, 
	budget INTEGER, 
	budget_currency TEXT, 
	starts_on TEXT, 
	ends_on TEXT, 
	is_transactional INTEGER NOT NULL, 
	owner_id TEXT, 
	status TEXT NOT NULL, 
	category TEXT NOT NULL, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_campaign" VALUES('01a201ca-ef78-7b9f-b0d7-1727442f72a4',NULL,'{}','[]','{}','x',NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,'Planning','planning');
CREATE TABLE crm_consent (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	customer_id TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	state TEXT NOT NULL, 
	at TEXT NOT NULL, 
	evidence TEXT, 
	source TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_consent" VALUES('01a201ca-ef78-7b1f-a2a9-6d3349f68f45',NULL,'{}','[]','{}','x','email','x','granted','2025-01-31T12:00:00.000000Z',NULL,NULL);
CREATE TABLE crm_contact (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	person_id TEXT NOT NULL, 
	organization_id TEXT NOT NULL, 
	role TEXT, 
	is_primary INTEGER NOT NULL, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_contact" VALUES('contact-0001','2022-02-09T16:54:04.000000Z','{}','[]','{}','customer-0002','customer-0001','head of kitchen',1);
INSERT INTO "crm_contact" VALUES('contact-0002','2022-02-09T16:54:04.000000Z','{}','[]','{}','customer-0003','customer-0001','head of kitchen',0);
CREATE TABLE crm_cost (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	category TEXT NOT NULL, 
	amount INTEGER NOT NULL, 
	currency TEXT NOT NULL, 
	incurred_on TEXT NOT NULL, 
	starts_on TEXT, 
	ends_on TEXT, 
	allocation_share TEXT NOT NULL, 
	department TEXT, 
	campaign_id TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_cost" VALUES('01a201ca-ef79-73bf-b797-91b3236107e7',NULL,'{}','[]','{}','x',100,'PLN','2025-01-31',NULL,NULL,'0.25',NULL,NULL);
CREATE TABLE crm_custom_field (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	name TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	choices TEXT NOT NULL, 
	title TEXT, 
	category TEXT NOT NULL, 
	is_personal INTEGER NOT NULL, 
	is_required INTEGER NOT NULL, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_custom_field" VALUES('01a201ca-ef78-783c-939d-324ed5643cf6',NULL,'{}','[]','{}','x','x','text','[]',NULL,'descriptive',0,0);
CREATE TABLE crm_customer (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	name TEXT NOT NULL, 
	given_name TEXT, 
	family_name TEXT, 
	birth_on TEXT, 
	contact_points TEXT NOT NULL, 
	country TEXT, 
	city TEXT, 
	language TEXT, 
	time_zone TEXT, 
	industry TEXT, 
	source TEXT, 
	preferences TEXT NOT NULL, 
	owner_id TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_customer" VALUES('customer-0001','2022-02-09T16:54:04.000000Z','{"accounting": "K10001"}','[]','{}','organization','Zorexa Patisserie',NULL,NULL,NULL,'[]','DE','Görlitz',NULL,NULL,'hospitality','web','[]','employee-0006');
INSERT INTO "crm_customer" VALUES('customer-0002','2022-02-09T16:54:04.000000Z','{}','[]','{}','person','Bartłomiej Brzozowski',NULL,NULL,NULL,'[]','DE','Görlitz',NULL,NULL,NULL,'web','[]','employee-0006');
INSERT INTO "crm_customer" VALUES('customer-0003','2022-02-09T16:54:04.000000Z','{}','[]','{}','person','María José Ibáñez de la Peña',NULL,NULL,NULL,'[]','DE','Görlitz',NULL,NULL,NULL,'web','[]','employee-0006');
CREATE TABLE crm_deal (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	pipeline_id TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	category TEXT NOT NULL, 
	name TEXT, 
	customer_id TEXT, 
	owner_id TEXT, 
	contacts TEXT NOT NULL, 
	product_ids TEXT NOT NULL, 
	lines TEXT NOT NULL, 
	amount INTEGER, 
	currency TEXT, 
	reporting_amount INTEGER, 
	reporting_amount_currency TEXT, 
	recurring_amount INTEGER, 
	recurring_amount_currency TEXT, 
	recurring_months INTEGER, 
	probability REAL, 
	forecast_category TEXT, 
	source TEXT, 
	campaign_id TEXT, 
	first_responded_at TEXT, 
	next_step TEXT, 
	next_step_on TEXT, 
	expected_close_on TEXT, 
	closed_at TEXT, 
	lost_reason TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_deal" VALUES('deal-0001','2025-06-18T10:09:01.000000Z','{}','[]','{}','pipeline-machines','Installed','won','1 × Office Brew 40','customer-0001','employee-0006','[]','["product-0005"]','[]',840000,'PLN',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'web',NULL,NULL,NULL,NULL,'2025-07-20','2025-07-01T08:22:06.000000Z',NULL);
INSERT INTO "crm_deal" VALUES('deal-0002','2025-09-23T14:57:53.000000Z','{}','[]','{}','pipeline-machines','Installed','won','2 × Office Brew 120','customer-0001','employee-0006','[]','["product-0006"]','[]',3360000,'PLN',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'web',NULL,NULL,NULL,NULL,'2025-10-24','2025-10-14T14:04:20.000000Z',NULL);
CREATE TABLE crm_employee (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	name TEXT NOT NULL, 
	team TEXT, 
	department TEXT, 
	manager_id TEXT, 
	is_active INTEGER NOT NULL, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_employee" VALUES('employee-0001','2020-01-02T23:00:00.000000Z','{}','[]','{}','Halina Borowiecka',NULL,'management',NULL,1);
INSERT INTO "crm_employee" VALUES('employee-0002','2020-01-02T23:00:00.000000Z','{}','[]','{}','Krzysztof Maliński',NULL,'sales','employee-0001',1);
INSERT INTO "crm_employee" VALUES('employee-0003','2020-01-02T23:00:00.000000Z','{}','[]','{}','Dorota Szczęsna','Offices','sales','employee-0002',1);
CREATE TABLE crm_interaction (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	at TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	direction TEXT NOT NULL, 
	kind TEXT, 
	customer_id TEXT, 
	visitor_id TEXT, 
	employee_id TEXT, 
	department TEXT, 
	subject TEXT, 
	body TEXT, 
	duration_seconds REAL, 
	outcome TEXT, 
	sentiment TEXT, 
	interests TEXT NOT NULL, 
	provenance TEXT NOT NULL, 
	lead_id TEXT, 
	deal_id TEXT, 
	ticket_id TEXT, 
	campaign_id TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_interaction" VALUES('ticket-0001-message-1','2025-02-11T15:33:04.000000Z','{}','[]','{}','2025-02-11T15:33:04.000000Z','email','inbound',NULL,'customer-0001',NULL,NULL,'service','Question about descaling',NULL,NULL,NULL,'neutral','[]','human',NULL,NULL,'ticket-0001',NULL);
INSERT INTO "crm_interaction" VALUES('ticket-0001-message-2','2025-02-11T15:34:04.000000Z','{}','[]','{}','2025-02-11T15:34:04.000000Z','email','outbound',NULL,'customer-0001',NULL,NULL,'service','We have your question 2025-0001',NULL,NULL,NULL,NULL,'[]','machine',NULL,NULL,'ticket-0001',NULL);
INSERT INTO "crm_interaction" VALUES('ticket-0001-message-3','2025-02-11T16:51:35.000000Z','{}','[]','{}','2025-02-11T16:51:35.000000Z','email','outbound',NULL,'customer-0001',NULL,'employee-0009','service','Question about descaling',NULL,NULL,NULL,NULL,'[]','human',NULL,NULL,'ticket-0001',NULL);
CREATE TABLE crm_lead (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	status TEXT NOT NULL, 
	category TEXT NOT NULL, 
	name TEXT, 
	organization_name TEXT, 
	job_title TEXT, 
	contact_points TEXT NOT NULL, 
	source TEXT, 
	campaign_id TEXT, 
	owner_id TEXT, 
	score REAL, 
	first_responded_at TEXT, 
	qualified_at TEXT, 
	converted_at TEXT, 
	disqualified_reason TEXT, 
	recycle_count INTEGER NOT NULL, 
	customer_id TEXT, 
	organization_id TEXT, 
	deal_id TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_lead" VALUES('01a201ca-ef78-7d05-a261-553ebbe933d7',NULL,'{}','[]','{}','New','open',NULL,NULL,NULL,'[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,NULL);
CREATE TABLE crm_merge (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	subjects TEXT NOT NULL, 
	survivor_id TEXT NOT NULL, 
	loser_ids TEXT NOT NULL, 
	choices TEXT NOT NULL, 
	relinked TEXT NOT NULL, 
	at TEXT NOT NULL, 
	"by" TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_merge" VALUES('01a201ca-ef78-79f3-a675-c97ece66f07f',NULL,'{}','[]','{}','[]','x','[]','{}','[]','2025-01-31T12:00:00.000000Z',NULL);
CREATE TABLE crm_message (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	channel TEXT NOT NULL, 
	campaign_id TEXT, 
	customer_id TEXT, 
	address TEXT, 
	category TEXT NOT NULL, 
	queued_at TEXT, 
	sent_at TEXT, 
	delivered_at TEXT, 
	bounced_at TEXT, 
	opened_at TEXT, 
	clicked_at TEXT, 
	replied_at TEXT, 
	converted_at TEXT, 
	unsubscribed_at TEXT, 
	complained_at TEXT, 
	opened_by_machine_at TEXT, 
	clicked_by_machine_at TEXT, 
	skipped_at TEXT, 
	skip_reason TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_message" VALUES('01a201ca-ef79-71e5-9005-08e46c635d0a',NULL,'{}','[]','{}','email',NULL,NULL,NULL,'queued',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE crm_meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT;
INSERT INTO "crm_meta" VALUES('schema_version','1');
CREATE TABLE crm_order (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	at TEXT NOT NULL, 
	amount INTEGER, 
	currency TEXT, 
	customer_id TEXT, 
	lines TEXT NOT NULL, 
	product_ids TEXT NOT NULL, 
	owner_id TEXT, 
	deal_id TEXT, 
	refund_of_id TEXT, 
	source TEXT, 
	channel TEXT, 
	status TEXT, 
	category TEXT NOT NULL, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_order" VALUES('order-0001','2025-02-13T13:37:21.000000Z','{}','[]','{}','2025-02-13T13:37:21.000000Z',149000,'PLN','customer-0001','[]','["product-0012"]','employee-0006',NULL,NULL,'web shop',NULL,'Delivered','completed');
INSERT INTO "crm_order" VALUES('order-0002','2025-03-18T07:32:24.000000Z','{}','[]','{}','2025-03-18T07:32:24.000000Z',111000,'PLN','customer-0001','[]','["product-0013", "product-0014"]','employee-0006',NULL,NULL,'web shop',NULL,'Delivered','completed');
INSERT INTO "crm_order" VALUES('order-0003','2025-03-19T10:19:43.000000Z','{}','[]','{}','2025-03-19T10:19:43.000000Z',298000,'PLN','customer-0001','[]','["product-0012"]','employee-0006',NULL,NULL,'web shop',NULL,'Delivered','completed');
CREATE TABLE crm_package (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	customer_id TEXT NOT NULL, 
	units INTEGER NOT NULL, 
	bonus_units INTEGER NOT NULL, 
	unit TEXT NOT NULL, 
	product_id TEXT, 
	order_id TEXT, 
	price INTEGER, 
	price_currency TEXT, 
	valid_from_on TEXT, 
	expires_on TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_package" VALUES('01a201ca-ef78-7eae-aaa3-a1dd7b11a20a',NULL,'{}','[]','{}','x',1,0,'visit',NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE crm_payment (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	amount INTEGER NOT NULL, 
	currency TEXT NOT NULL, 
	customer_id TEXT, 
	order_id TEXT, 
	subscription_id TEXT, 
	status TEXT NOT NULL, 
	category TEXT NOT NULL, 
	due_on TEXT, 
	paid_at TEXT, 
	attempts INTEGER NOT NULL, 
	refunded INTEGER, 
	refunded_currency TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_payment" VALUES('01a201ca-ef78-7fba-8320-94fe103fdc85',NULL,'{}','[]','{}',100,'PLN',NULL,NULL,NULL,'Due','due',NULL,NULL,0,NULL,NULL);
CREATE TABLE crm_pipeline (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	stages TEXT NOT NULL, 
	name TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_pipeline" VALUES('pipeline-machines','2020-01-02T23:00:00.000000Z','{}','[]','{}','[{"category": "open", "forecast_category": null, "label": "Enquiry", "probability": 0.15, "rotting_days": 10}, {"category": "open", "forecast_category": null, "label": "Tasting", "probability": 0.3, "rotting_days": 21}, {"category": "open", "forecast_category": null, "label": "Offer", "probability": 0.45, "rotting_days": 21}, {"category": "open", "forecast_category": null, "label": "Negotiation", "probability": 0.65, "rotting_days": 28}, {"category": "won", "forecast_category": null, "label": "Ordered", "probability": 1.0, "rotting_days": null}, {"category": "won", "forecast_category": null, "label": "Installed", "probability": 1.0, "rotting_days": null}, {"category": "lost", "forecast_category": null, "label": "Lost", "probability": 0.0, "rotting_days": null}]','Coffee machines');
INSERT INTO "crm_pipeline" VALUES('pipeline-contracts','2020-01-02T23:00:00.000000Z','{}','[]','{}','[{"category": "open", "forecast_category": null, "label": "Check-up", "probability": 0.3, "rotting_days": 14}, {"category": "open", "forecast_category": null, "label": "Offer", "probability": 0.5, "rotting_days": 21}, {"category": "won", "forecast_category": null, "label": "Signed", "probability": 1.0, "rotting_days": null}, {"category": "lost", "forecast_category": null, "label": "Declined", "probability": 0.0, "rotting_days": null}]','Service contracts');
CREATE TABLE crm_points_entry (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	customer_id TEXT NOT NULL, 
	at TEXT NOT NULL, 
	points INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	"key" TEXT, 
	expires_on TEXT, 
	order_id TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_points_entry" VALUES('01a201ca-ef79-7040-8f55-b8985fc4a946',NULL,'{}','[]','{}','x','2025-01-31T12:00:00.000000Z',1,'earned',NULL,NULL,NULL);
CREATE TABLE crm_product (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	name TEXT NOT NULL, 
	family TEXT, 
	price INTEGER, 
	price_currency TEXT, 
	is_active INTEGER NOT NULL, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_product" VALUES('product-0001','2020-01-02T23:00:00.000000Z','{}','[]','{}','Home Brew Mini','home machines',129000,'PLN',1);
INSERT INTO "crm_product" VALUES('product-0002','2020-01-02T23:00:00.000000Z','{}','[]','{}','Home Brew Duo','home machines',249000,'PLN',1);
INSERT INTO "crm_product" VALUES('product-0003','2020-01-02T23:00:00.000000Z','{}','[]','{}','Barista One','machines',490000,'PLN',1);
CREATE TABLE crm_quote (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	status TEXT NOT NULL, 
	category TEXT NOT NULL, 
	number TEXT, 
	deal_id TEXT, 
	customer_id TEXT, 
	revision_of_id TEXT, 
	lines TEXT NOT NULL, 
	amount INTEGER, 
	currency TEXT, 
	valid_until_on TEXT, 
	sent_at TEXT, 
	decided_at TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_quote" VALUES('01a201ca-ef78-7c63-a3f9-b695f636157c',NULL,'{}','[]','{}','Draft','draft',NULL,NULL,NULL,NULL,'[]',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE crm_service_level (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	name TEXT NOT NULL, 
	targets TEXT NOT NULL, 
	pauses_first_response INTEGER NOT NULL, 
	calendar_id TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_service_level" VALUES('01a201ca-ef79-715d-ab7c-1ddb8216f20c',NULL,'{}','[]','{}','x','[]',0,NULL);
CREATE TABLE crm_subscription (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	customer_id TEXT NOT NULL, 
	"plan" TEXT NOT NULL, 
	price INTEGER NOT NULL, 
	price_currency TEXT NOT NULL, 
	billing_months INTEGER NOT NULL, 
	term_months INTEGER, 
	status TEXT NOT NULL, 
	category TEXT NOT NULL, 
	product_id TEXT, 
	deal_id TEXT, 
	owner_id TEXT, 
	auto_renews INTEGER NOT NULL, 
	trial_ends_on TEXT, 
	started_at TEXT, 
	anchor_on TEXT, 
	term_starts_on TEXT, 
	term_ends_on TEXT, 
	renewal_count INTEGER NOT NULL, 
	frozen_on TEXT, 
	frozen_until_on TEXT, 
	frozen_days_used INTEGER NOT NULL, 
	cancels_on TEXT, 
	cancel_reason TEXT, 
	ended_at TEXT, 
	won_back_from_id TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_subscription" VALUES('01a201ca-ef78-7de3-bba0-86dc2bb34b48',NULL,'{}','[]','{}','x','x',100,'PLN',1,NULL,'Trial','trial',NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL,0,NULL,NULL,0,NULL,NULL,NULL,NULL);
CREATE TABLE crm_survey (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	name TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	scale_low INTEGER NOT NULL, 
	scale_high INTEGER NOT NULL, 
	is_reversed INTEGER NOT NULL, 
	question TEXT, 
	fatigue_days INTEGER NOT NULL, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_survey" VALUES('01a201ca-ef79-727f-a4ca-deeccf00e60b',NULL,'{}','[]','{}','x','nps',0,10,0,NULL,0);
CREATE TABLE crm_survey_response (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	scale_low INTEGER NOT NULL, 
	scale_high INTEGER NOT NULL, 
	survey_id TEXT, 
	score INTEGER, 
	customer_id TEXT, 
	sent_at TEXT, 
	responded_at TEXT, 
	comment TEXT, 
	interaction_id TEXT, 
	ticket_id TEXT, 
	order_id TEXT, 
	subscription_id TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_survey_response" VALUES('survey-response-0001','2025-01-27T15:02:45.000000Z','{}','[]','{}','nps',0,10,NULL,NULL,'customer-0001','2025-01-27T15:02:45.000000Z',NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "crm_survey_response" VALUES('survey-response-0002','2025-07-29T06:02:45.000000Z','{}','[]','{}','nps',0,10,NULL,9,'customer-0001','2025-07-29T06:02:45.000000Z','2025-07-30T10:51:17.000000Z',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE crm_target (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	metric TEXT NOT NULL, 
	starts_on TEXT NOT NULL, 
	ends_on TEXT NOT NULL, 
	owner_id TEXT, 
	team TEXT, 
	amount INTEGER, 
	currency TEXT, 
	count INTEGER, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_target" VALUES('01a201ca-ef78-793a-89df-4941f75e2b0c',NULL,'{}','[]','{}','x','2025-01-01','2025-04-01',NULL,NULL,NULL,NULL,1);
CREATE TABLE crm_task (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	status TEXT NOT NULL, 
	category TEXT NOT NULL, 
	subject TEXT, 
	due_at TEXT, 
	starts_at TEXT, 
	ends_at TEXT, 
	is_all_day INTEGER NOT NULL, 
	reminder_at TEXT, 
	rule TEXT, 
	tz TEXT NOT NULL, 
	assignee_id TEXT, 
	participants TEXT NOT NULL, 
	customer_id TEXT, 
	lead_id TEXT, 
	deal_id TEXT, 
	ticket_id TEXT, 
	completed_at TEXT, 
	outcome TEXT, 
	is_held INTEGER, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_task" VALUES('01a201ca-ef79-7313-9a82-0ce69996339b',NULL,'{}','[]','{}','task','Open','open',NULL,NULL,NULL,NULL,0,NULL,NULL,'UTC',NULL,'[]',NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE crm_team (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	name TEXT NOT NULL, 
	manager_id TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_team" VALUES('01a201ca-ef78-76df-a859-2ade1a34052b',NULL,'{}','[]','{}','x',NULL);
CREATE TABLE crm_ticket (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	status TEXT NOT NULL, 
	category TEXT NOT NULL, 
	number TEXT, 
	customer_id TEXT, 
	subject TEXT, 
	channel TEXT, 
	topic TEXT, 
	kind TEXT, 
	priority TEXT NOT NULL, 
	"group" TEXT, 
	assignee_id TEXT, 
	service_level_id TEXT, 
	first_responded_at TEXT, 
	resolved_at TEXT, 
	closed_at TEXT, 
	reopen_count INTEGER NOT NULL, 
	merged_into_id TEXT, 
	split_from_id TEXT, 
	follow_up_of_id TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_ticket" VALUES('ticket-0001','2025-02-11T15:33:04.000000Z','{}','[]','{}','Resolved','resolved','2025-0001','customer-0001','Question about descaling','email','descaling',NULL,'normal',NULL,'employee-0009',NULL,NULL,'2025-02-12T07:22:48.000000Z',NULL,0,NULL,NULL,NULL);
CREATE TABLE crm_transition (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	"by" TEXT, 
	subject TEXT NOT NULL, 
	subject_id TEXT NOT NULL, 
	field TEXT NOT NULL, 
	"before" TEXT, 
	"after" TEXT NOT NULL, 
	category_before TEXT, 
	category_after TEXT, 
	at TEXT NOT NULL, 
	recorded_at TEXT, 
	reason TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_transition" VALUES('ticket-0001-move-1','2025-02-12T07:22:48.000000Z','{}','[]','{}','employee-0009','Ticket','ticket-0001','status','New','Resolved','open','resolved','2025-02-12T07:22:48.000000Z','2025-02-12T07:22:48.000000Z',NULL);
INSERT INTO "crm_transition" VALUES('deal-0001-move-1','2025-06-20T08:26:26.000000Z','{}','[]','{}','employee-0006','Deal','deal-0001','stage','Enquiry','Tasting','open','open','2025-06-20T08:26:26.000000Z','2025-06-20T08:26:26.000000Z',NULL);
INSERT INTO "crm_transition" VALUES('deal-0001-move-2','2025-06-24T13:33:08.000000Z','{}','[]','{}','employee-0006','Deal','deal-0001','stage','Tasting','Offer','open','open','2025-06-24T13:33:08.000000Z','2025-06-24T13:33:08.000000Z',NULL);
CREATE TABLE crm_usage (
	id TEXT NOT NULL, 
	created_at TEXT, 
	external_ids TEXT NOT NULL, 
	tags TEXT NOT NULL, 
	custom TEXT NOT NULL, 
	customer_id TEXT NOT NULL, 
	at TEXT NOT NULL, 
	units INTEGER NOT NULL, 
	package_id TEXT, 
	subscription_id TEXT, 
	product_id TEXT, 
	kind TEXT, 
	reversal_of_id TEXT, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "crm_usage" VALUES('01a201ca-ef78-7f38-b865-6bad81311600',NULL,'{}','[]','{}','x','2025-01-31T12:00:00.000000Z',1,NULL,NULL,NULL,NULL,NULL);
COMMIT;
